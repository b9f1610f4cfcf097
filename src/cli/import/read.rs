//! Reading legacy orders: rows of CSV or NDJSON, checked one by one and gathered by their reference.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt::Display,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use clap::ValueEnum;

use super::super::Failure;
use crate::{
    domain::{
        input,
        order::import::{Legacy, Row},
    },
    entity::money::Amount,
};

/// What a row can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Field {
    ExternalReference,
    Sku,
    ProductName,
    Quantity,
    UnitPrice,
    PlacedAt,
    BuyerName,
    BuyerEmail,
    AssignTo,
    Resource,
}

impl Field {
    /// Whether every file must have it.
    fn needed(self) -> bool {
        matches!(self, Self::ExternalReference | Self::Sku | Self::Quantity)
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Reads `field=Header`.
pub fn mapping(text: &str) -> Result<(Field, String), String> {
    let (field, header) = text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form field=Header"))?;
    let known = || Field::value_variants().iter().map(|field| field.name()).collect::<Vec<_>>().join(", ");
    let field = Field::from_str(field.trim(), false)
        .map_err(|_| format!("there is no field {field:?}; the fields are {}", known()))?;
    Ok((field, header.trim().to_owned()))
}

/// The header of each field.
pub struct Fields(HashMap<Field, String>);

impl Fields {
    /// The fields' own names, but for those that are mapped.
    pub fn new(map: Vec<(Field, String)>) -> Result<Self, Failure> {
        let mut fields: HashMap<Field, String> =
            Field::value_variants().iter().map(|field| (*field, field.name())).collect();
        let mut mapped = HashSet::new();
        for (field, header) in map {
            if !mapped.insert(field) {
                return Err(Failure::Usage(format!("--map names {} twice", field.name())));
            }
            fields.insert(field, header);
        }
        Ok(Self(fields))
    }

    fn header(&self, field: Field) -> &str {
        self.0.get(&field).map_or("", String::as_str)
    }

    /// The columns of the fields that `headers` has; an error where one that is needed is not there.
    fn columns(&self, file: &Path, headers: &[String]) -> Result<HashMap<Field, usize>, Failure> {
        let mut columns = HashMap::new();
        for field in Field::value_variants() {
            match headers.iter().position(|header| header == self.header(*field)) {
                Some(column) => {
                    columns.insert(*field, column);
                }
                None if field.needed() => {
                    return Err(Failure::Refused(format!(
                        "{} has no column {:?} for {}: its columns are {}; use --map {}=COLUMN",
                        file.display(),
                        self.header(*field),
                        field.name(),
                        headers.join(", "),
                        field.name(),
                    )));
                }
                None => {}
            }
        }
        Ok(columns)
    }
}

/// Where rows go that cannot be used.
pub struct Rejects {
    file: Option<csv::Writer<File>>,
    count: usize,
}

impl Rejects {
    /// Opens the rejects file, if one is wanted.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self { file: None, count: 0 }) };
        let refused =
            |cause: &dyn Display| Failure::Refused(format!("cannot write the rejects to {}: {cause}", path.display()));
        let mut file = csv::Writer::from_path(path).map_err(|cause| refused(&cause))?;
        file.write_record(["file", "line", "reason"]).map_err(|cause| refused(&cause))?;
        Ok(Self { file: Some(file), count: 0 })
    }

    fn add(&mut self, place: &Place, reason: &str) -> Result<(), Failure> {
        self.count += 1;
        let Some(file) = &mut self.file else { return Ok(()) };
        let row = [place.file.display().to_string(), place.line.to_string(), reason.to_owned()];
        file.write_record(row).map_err(|cause| Failure::Refused(format!("cannot write the rejects: {cause}")))
    }

    /// How many there were.
    pub fn finish(mut self) -> Result<usize, Failure> {
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        Ok(self.count)
    }
}

#[derive(Debug, Clone)]
struct Place {
    file: std::sync::Arc<PathBuf>,
    line: u64,
}

/// What has been read so far.
#[derive(Default)]
pub struct Reading {
    /// In the order of their first rows.
    orders: Vec<(String, Vec<(Place, Row)>)>,
    places: HashMap<String, usize>,
    names: HashMap<String, String>,
    priced: bool,
}

impl Reading {
    /// Reads a file to its end.
    pub fn file(&mut self, path: &Path, file: File, fields: &Fields, rejects: &mut Rejects) -> Result<(), Failure> {
        let lines = path.extension().is_some_and(|extension| extension == "ndjson" || extension == "jsonl");
        if lines { self.ndjson(path, file, fields, rejects) } else { self.csv(path, file, fields, rejects) }
    }

    /// Reads CSV with a header line.
    pub fn csv(
        &mut self,
        path: &Path,
        mut file: impl Read,
        fields: &Fields,
        rejects: &mut Rejects,
    ) -> Result<(), Failure> {
        let broken = |cause: &dyn Display| Failure::Refused(format!("cannot read {}: {cause}", path.display()));
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|cause| broken(&cause))?;
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
        let headers = reader.byte_headers().map_err(|cause| broken(&cause))?;
        let headers: Vec<String> = headers
            .iter()
            .map(|header| String::from_utf8_lossy(header).trim_start_matches('\u{feff}').to_owned())
            .collect();
        let columns = fields.columns(path, &headers)?;
        let path = std::sync::Arc::new(path.to_owned());
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|cause| broken(&cause))? {
            let line = record.position().map_or(0, |position| line(&text, position));
            let place = Place { file: path.clone(), line };
            if record.len() != headers.len() {
                let reason = format!("it has {} fields where the header has {}", record.len(), headers.len());
                rejects.add(&place, &reason)?;
                continue;
            }
            let Ok(record) = csv::StringRecord::from_byte_record(record.clone()) else {
                rejects.add(&place, "it is not UTF-8")?;
                continue;
            };
            let value = |field| columns.get(&field).map(|column| record.get(*column).unwrap_or_default().to_owned());
            self.row(place, value, rejects)?;
        }
        Ok(())
    }

    fn ndjson(&mut self, path: &Path, file: impl Read, fields: &Fields, rejects: &mut Rejects) -> Result<(), Failure> {
        let name = std::sync::Arc::new(path.to_owned());
        for (line, bytes) in (1..).zip(BufReader::new(file).split(b'\n')) {
            let bytes = bytes.map_err(|cause| super::cannot_read(path, &cause))?;
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let place = Place { file: name.clone(), line };
            let Ok(text) = std::str::from_utf8(&bytes).map(|text| text.trim_start_matches('\u{feff}')) else {
                rejects.add(&place, "it is not UTF-8")?;
                continue;
            };
            let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) else {
                rejects.add(&place, "it is not a JSON object")?;
                continue;
            };
            let value = |field| match object.get(fields.header(field))? {
                serde_json::Value::Null => None,
                serde_json::Value::String(text) => Some(text.clone()),
                other @ (serde_json::Value::Bool(_)
                | serde_json::Value::Number(_)
                | serde_json::Value::Array(_)
                | serde_json::Value::Object(_)) => Some(other.to_string()),
            };
            self.row(place, value, rejects)?;
        }
        Ok(())
    }

    fn row(
        &mut self,
        place: Place,
        value: impl Fn(Field) -> Option<String>,
        rejects: &mut Rejects,
    ) -> Result<(), Failure> {
        let (reference, row, name) = match check(value) {
            Ok(checked) => checked,
            Err(reason) => return rejects.add(&place, &reason),
        };
        self.priced |= row.unit_price.is_some();
        if let Some(name) = name.filter(|name| !name.trim().is_empty()) {
            self.names.entry(row.sku.clone()).or_insert(name);
        }
        let next = self.orders.len();
        let order = *self.places.entry(reference.clone()).or_insert(next);
        if order == next {
            self.orders.push((reference, Vec::new()));
        }
        if let Some((_, rows)) = self.orders.get_mut(order) {
            rows.push((place, row));
        }
        Ok(())
    }

    /// Whether any row has a price.
    pub fn priced(&self) -> bool {
        self.priced
    }

    /// The SKUs of all rows, each once.
    pub fn skus(&self) -> Vec<String> {
        let rows = self.orders.iter().flat_map(|(_, rows)| rows);
        rows.map(|(_, row)| row.sku.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Every SKU with the name that the first of its rows with one has; empty where none has.
    pub fn products(&self) -> impl Iterator<Item = (&str, &str)> {
        let skus: BTreeSet<&str> =
            self.orders.iter().flat_map(|(_, rows)| rows).map(|(_, row)| row.sku.as_str()).collect();
        skus.into_iter().map(|sku| (sku, self.names.get(sku).map_or("", String::as_str)))
    }

    /// Rejects the rows whose SKU is not known.
    pub fn reject_unknown(&mut self, known: &[String], rejects: &mut Rejects) -> Result<(), Failure> {
        let known: HashSet<&str> = known.iter().map(String::as_str).collect();
        for (_, rows) in &mut self.orders {
            for (place, row) in rows.iter().filter(|(_, row)| !known.contains(row.sku.as_str())) {
                rejects.add(place, &format!("there is no product {:?}; add --create-products to make it", row.sku))?;
            }
            rows.retain(|(_, row)| known.contains(row.sku.as_str()));
        }
        Ok(())
    }

    /// The orders that can be imported: those that have rows left, and not too many units.
    pub fn finish(self, most: usize, rejects: &mut Rejects) -> Result<Vec<Legacy>, Failure> {
        let mut orders = Vec::new();
        for (external_reference, rows) in self.orders {
            let units = rows.iter().fold(0_usize, |units, (_, row)| {
                units.saturating_add(usize::try_from(row.quantity).unwrap_or(usize::MAX))
            });
            if units > most {
                for (place, _) in &rows {
                    rejects.add(place, &format!("its order has {units} units, and an order has at most {most}"))?;
                }
            } else if !rows.is_empty() {
                orders.push(Legacy { external_reference, rows: rows.into_iter().map(|(_, row)| row).collect() });
            }
        }
        Ok(orders)
    }
}

/// The line that a record begins on: the reader counts from where the record before ended, so before blank lines and the second half of
/// a line's end.
fn line(text: &[u8], position: &csv::Position) -> u64 {
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
}

/// A row's reference, what it says, and its product's name; or why it cannot be used.
fn check(value: impl Fn(Field) -> Option<String>) -> Result<(String, Row, Option<String>), String> {
    let needed = |field: Field| {
        let text = value(field)
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| format!("its {} is empty", field.name()))?;
        usable(field, &text)
    };
    let optional = |field: Field| {
        let given = value(field).filter(|text| !text.trim().is_empty());
        given.map(|text| usable(field, &text)).transpose()
    };
    let reference = needed(Field::ExternalReference)?;
    let sku = needed(Field::Sku)?;
    let quantity = value(Field::Quantity).unwrap_or_default();
    let whole = whole(quantity.trim());
    let whole = whole.ok_or_else(|| format!("its quantity {quantity:?} is no whole number of at least 1"))?;
    let price = value(Field::UnitPrice).map(|price| {
        Amount::from_str(price.trim()).map_err(|_| format!("its price {price:?} is negative or no number"))
    });
    let placed_at = value(Field::PlacedAt).map(|date| {
        moment(date.trim()).ok_or_else(|| format!("its date {date:?} is neither RFC 3339 nor like 2010-12-01 08:26:00"))
    });
    let row = Row {
        sku,
        quantity: whole,
        unit_price: price.transpose()?,
        placed_at: placed_at.transpose()?,
        buyer_name: optional(Field::BuyerName)?,
        buyer_email: optional(Field::BuyerEmail)?,
        assign_to: optional(Field::AssignTo)?,
        resource: optional(Field::Resource)?,
    };
    Ok((reference, row, value(Field::ProductName)))
}

/// A whole number of at least 1. One so large that no order could have it is told with its order.
fn whole(text: &str) -> Option<i32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let positive = digits && text.bytes().any(|byte| byte != b'0');
    positive.then(|| text.parse().unwrap_or(i32::MAX))
}

/// A text that can be stored: neither too long nor with characters that no reference has.
fn usable(field: Field, text: &str) -> Result<String, String> {
    input::text(text, input::REFERENCE)
        .map_err(|refusal| format!("its {} cannot be used: {}", field.name(), refusal.message))
}

/// A product's name as it can be shown: without control characters, and not endless. None: nothing is left of it.
pub fn presentable(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|character| !character.is_control()).take(input::NAME).collect();
    (!name.trim().is_empty()).then_some(name)
}

/// RFC 3339, or a date with or without a time, in UTC; of the years 1 to 9999, which both engines can store.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let written = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc()).ok();
    // chrono also reads what no form would write, like a year of two digits.
    let as_written = |form: &&str| {
        let moment = NaiveDateTime::parse_from_str(text, form).ok();
        moment.filter(|moment| moment.format(form).to_string() == text)
    };
    let of_day = || ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"].iter().find_map(as_written);
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| day.to_string() == text);
    let day = || day().and_then(|day| day.and_hms_opt(0, 0, 0));
    let moment = written.or_else(|| of_day().or_else(day).map(|naive| naive.and_utc()))?;
    // As both engines keep it, so that it is the same when it is read again: to the microsecond, and leap seconds are unknown.
    let moment = DateTime::from_timestamp_micros(moment.timestamp_micros());
    moment.filter(|moment| (1..=9_999).contains(&moment.year()))
}
