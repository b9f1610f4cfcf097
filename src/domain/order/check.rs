//! What can be said of an order without looking anything up.

use super::{
    super::{Refusal, error::invalid, input},
    place::{Line, Place},
};
use crate::{entity::kind::RefusalCode, store::Settings};

/// Refuses what no state of anything would make an order.
pub fn check(command: &Place, settings: &Settings) -> Result<(), Refusal> {
    input::text(&command.external_reference, input::REFERENCE).map_err(|refusal| refusal.at(["externalReference"]))?;
    if let Some((name, email)) = &command.buyer {
        contact(name.as_ref(), email.as_ref()).map_err(|refusal| within(refusal, &["buyer"]))?;
    }
    if let Some(currency) = &command.currency {
        input::currency(currency).map_err(|refusal| refusal.at(["currencyCode"]))?;
    }
    if let Some(reference) = &command.payment_reference {
        input::text(reference, input::REFERENCE).map_err(|refusal| refusal.at(["paymentReference"]))?;
    }
    let (most_lines, most_units) = (settings.order_lines, settings.order_units);
    if command.lines.is_empty() {
        return Err(invalid("an order has at least one line").at(["lines"]));
    }
    if command.lines.len() > most_lines {
        let message = format!("an order has at most {most_lines} lines: place several orders");
        return Err(Refusal::new(RefusalCode::LimitExceeded, message).at(["lines"]));
    }
    for (place, line) in command.lines.iter().enumerate() {
        check_line(line, command.currency.is_some())
            .map_err(|refusal| within(refusal, &["lines", &place.to_string()]))?;
    }
    let units: i64 = command.lines.iter().map(|line| i64::from(line.quantity)).sum();
    if usize::try_from(units).is_ok_and(|units| units > most_units) {
        let message =
            format!("an order has at most {most_units} units, and these lines have {units}: place several orders");
        return Err(Refusal::new(RefusalCode::LimitExceeded, message).at(["lines"]));
    }
    Ok(())
}

fn check_line(line: &Line, currency: bool) -> Result<(), Refusal> {
    input::text(&line.sku, input::REFERENCE).map_err(|refusal| refusal.at(["sku"]))?;
    if line.quantity < 1 {
        return Err(invalid("a line has a quantity of at least 1").at(["quantity"]));
    }
    if line.unit_price.is_some() && !currency {
        return Err(invalid("a price needs a currency: set currencyCode on the order").at(["unitPrice"]));
    }
    if let Some((name, email)) = &line.recipient {
        contact(name.as_ref(), email.as_ref()).map_err(|refusal| within(refusal, &["recipient"]))?;
    }
    if let Some(resource) = &line.resource {
        input::text(resource, input::REFERENCE).map_err(|refusal| refusal.at(["resource"]))?;
    }
    if let Some(input) = &line.input {
        input::json(input).map_err(|refusal| refusal.at(["input"]))?;
    }
    Ok(())
}

fn contact(name: Option<&String>, email: Option<&String>) -> Result<(), Refusal> {
    name.map(|name| input::text(name, input::NAME)).transpose().map_err(|refusal| refusal.at(["name"]))?;
    email.map(|email| input::email(email)).transpose().map_err(|refusal| refusal.at(["email"]))?;
    Ok(())
}

/// The refusal, with its path moved below `path`.
fn within(mut refusal: Refusal, path: &[&str]) -> Refusal {
    refusal.field.splice(0..0, path.iter().map(|part| (*part).to_owned()));
    refusal
}
