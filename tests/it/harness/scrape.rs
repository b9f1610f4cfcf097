//! What a service says of itself to whoever watches it, as Prometheus would read it.

use std::net::SocketAddr;

/// The text of one look.
pub struct Scrape(pub String);

impl Scrape {
    /// Looks at what is counted, at an address that shows nothing else.
    pub async fn at(address: SocketAddr) -> Self {
        let answer = reqwest::get(format!("http://{address}/metrics")).await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
        let kind = answer.headers().get("content-type").expect("a type").to_str().expect("text").to_owned();
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        let text = answer.text().await.expect("a text");
        assert!(text.ends_with("# EOF\n"), "{text}");
        Self(text)
    }

    /// What the series called `name` that have all these labels come to together; nothing where there is none yet.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> i64 {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let values = self.series(name).filter(|(shown, _)| labels.iter().all(|label| shown.contains(label)));
        values.map(|(_, value)| value.parse::<i64>().expect("a whole number")).sum()
    }

    /// The one series called `name`, a time.
    pub fn seconds(&self, name: &str) -> f64 {
        self.series(name).next().expect(name).1.parse().expect("a number")
    }

    /// The labels and values of the series called `name`.
    pub fn series(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        self.0.lines().filter_map(move |line| {
            let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
            (labels.is_empty() || labels.starts_with('{')).then_some((labels, value))
        })
    }
}
