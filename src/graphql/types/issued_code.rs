//! `IssuedCode`: a code in full.

use async_graphql::{Context, Object};

use super::ActivationCode;
use crate::{
    domain::activation_code::{self, Issued},
    graphql::{error::Fault, session::Session},
};

/// A code in full, for the one it was issued to.
pub struct IssuedCode {
    code: String,
    record: ActivationCode,
}

/// An activation code in full. Hand it on and forget it: it is a bearer instrument.
#[Object]
impl IssuedCode {
    /// The code: 25 symbols in five groups. Case, hyphens and the letters I, L and O are forgiven when it is typed.
    async fn code(&self) -> &str {
        &self.code
    }

    /// Its record.
    async fn activation_code(&self) -> &ActivationCode {
        &self.record
    }
}

/// The codes that were issued, in full as far as they may be shown: those of this request always, those of a repeated one while they can
/// be revealed.
pub async fn issued_codes(ctx: &Context<'_>, issued: &[Issued]) -> Result<Vec<IssuedCode>, Fault> {
    let session = Session::of(ctx);
    let ids: Vec<_> = issued.iter().map(|code| code.activation_code_id).collect();
    let mut records = session.load_all(ids).await?;
    let mut codes = Vec::with_capacity(issued.len());
    for code in issued {
        let Some(record) = records.remove(&code.activation_code_id) else { continue };
        let text = match &code.code {
            Some(code) => Some(code.reveal()),
            None => activation_code::unseal(&session.db, &record).await?.map(|code| code.reveal()),
        };
        codes.extend(text.map(|code| IssuedCode { code, record: record.into() }));
    }
    Ok(codes)
}

/// The same for one, where one was issued.
pub async fn issued_code(ctx: &Context<'_>, issued: Option<&Issued>) -> Option<Result<IssuedCode, Fault>> {
    issued_codes(ctx, std::slice::from_ref(issued?)).await.map(|codes| codes.into_iter().next()).transpose()
}
