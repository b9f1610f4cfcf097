//! `claimcheck schema`: the schema as text. Needs no database.

use super::{Failure, print};

pub fn run() -> Result<(), Failure> {
    print(crate::graphql::sdl().trim_end())
}
