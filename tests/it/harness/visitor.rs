//! Somebody at the console without a browser: pages over HTTP, with a cookie and forms, as a browser sends them.

use std::{collections::BTreeMap, net::SocketAddr};

use reqwest::{
    StatusCode,
    header::{COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE},
    redirect::Policy,
};

/// A visitor of the console of one node.
#[derive(Clone)]
pub struct Visitor {
    http: reqwest::Client,
    address: SocketAddr,
    pub cookies: BTreeMap<String, String>,
}

/// A page as it came.
pub struct Page {
    pub status: StatusCode,
    /// The path and query it came from.
    pub address: String,
    pub headers: HeaderMap,
    pub html: String,
}

/// A form on a page, with what its fields hold.
#[derive(Debug, Clone)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Visitor {
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
        Self { http, address, cookies: BTreeMap::new() }
    }

    /// A visitor who has signed in with `secret`.
    pub async fn signed_in(address: SocketAddr, secret: &str) -> Self {
        let mut visitor = Self::new(address);
        let page = visitor.sign_in(secret).await;
        assert_eq!((page.status, page.address.as_str()), (StatusCode::OK, "/console"), "{}", page.text());
        visitor
    }

    /// Fills in the sign-in form.
    pub async fn sign_in(&mut self, secret: &str) -> Page {
        let form = self.open("/console/sign-in").await.form("/console/sign-in");
        self.send(&form.with("key", secret)).await
    }

    /// The same visitor at another node.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// Opens an address, and follows where it leads.
    pub async fn open(&mut self, address: &str) -> Page {
        let page = self.fetch(address, None, &[]).await;
        self.follow(page).await
    }

    /// Sends a form, and follows where it leads.
    pub async fn send(&mut self, form: &Form) -> Page {
        let page = self.post(form, &[]).await;
        self.follow(page).await
    }

    /// Sends a form with other headers than a browser's; where it leads is not followed.
    pub async fn post(&mut self, form: &Form, headers: &[(&str, &str)]) -> Page {
        let origin = format!("http://{}", self.address);
        let own = [(ORIGIN.as_str(), origin.as_str())];
        let headers = if headers.is_empty() { &own[..] } else { headers };
        self.fetch(&form.action, Some(&form.fields), headers).await
    }

    async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..3 {
            let Some(location) = page.headers.get(LOCATION).map(|to| to.to_str().expect("an address").to_owned())
            else {
                return page;
            };
            page = self.fetch(&location, None, &[]).await;
        }
        panic!("redirected again and again: {}", page.address);
    }

    /// One request.
    pub async fn fetch(&mut self, address: &str, form: Option<&[(String, String)]>, headers: &[(&str, &str)]) -> Page {
        let url = format!("http://{}{address}", self.address);
        let mut request = match form {
            Some(fields) => {
                let mut body = reqwest::Url::parse("http://x").expect("a URL");
                body.query_pairs_mut().extend_pairs(fields);
                let body = body.query().unwrap_or_default().to_owned();
                self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
            }
            None => self.http.get(url),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.cookies {
            request = request.header(COOKIE, format!("{name}={value}"));
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        for set in headers.get_all(SET_COOKIE) {
            let pair = set.to_str().expect("text").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a name and a value");
            self.cookies.insert(name.to_owned(), value.to_owned());
            self.cookies.retain(|_, value| !value.is_empty());
        }
        Page { status, address: address.to_owned(), headers, html: response.text().await.expect("a page") }
    }
}

impl Page {
    /// The words of the page, its markup left out.
    pub fn text(&self) -> String {
        let body = self.html.split_once("<main").map_or(self.html.as_str(), |(_, main)| main);
        let words = body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
        unescaped(&words.collect::<Vec<_>>().join(" ")).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    pub fn says(&self, words: &str) {
        let text = self.text();
        assert!(text.contains(words), "“{words}” is not on the page {}: {text}", self.address);
    }

    /// The addresses that the page's forms are sent to.
    pub fn actions(&self) -> Vec<String> {
        let forms = self.html.split("<form ").skip(1).filter_map(|form| attribute(form, "action"));
        forms.collect()
    }

    /// The form that is sent to an address with this end.
    #[track_caller]
    pub fn form(&self, end: &str) -> Form {
        let mut forms = self.html.split("<form ").skip(1).filter_map(|form| Some((attribute(form, "action")?, form)));
        let found = forms.find(|(action, _)| action.ends_with(end));
        let (action, form) = found.unwrap_or_else(|| panic!("no form to {end}: {}", self.text()));
        let (form, _) = form.split_once("</form>").expect("its end");
        let inputs = form.split("<input ").skip(1);
        let field = |input: &str| Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()));
        Form { action, fields: inputs.filter_map(field).collect() }
    }

    /// Where the link with these words leads.
    #[track_caller]
    pub fn link(&self, words: &str) -> String {
        let links = self.html.split("<a ").skip(1).filter_map(|link| Some((attribute(link, "href")?, link)));
        let mut links = links.filter(|(_, link)| {
            let (link, _) = link.split_once("</a>").unwrap_or((link, ""));
            link.split_once('>').is_some_and(|(_, text)| unescaped(text).trim() == words)
        });
        links.next().unwrap_or_else(|| panic!("no link “{words}”: {}", self.text())).0
    }
}

impl Form {
    /// The same with something written into a field.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        match self.fields.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    pub fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// The value of an attribute of the element that `text` begins within.
fn attribute(text: &str, name: &str) -> Option<String> {
    let (element, _) = text.split_once('>')?;
    let (_, value) = element.split_once(&format!("{name}=\""))?;
    Some(unescaped(value.split_once('"')?.0))
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
    text.replace("&gt;", ">").replace("&amp;", "&").replace("&#38;", "&")
}
