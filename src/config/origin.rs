//! Whose word about where a request comes from is taken: pages of other origins, and proxies.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use super::{ConfigError, Variables, malformed};

/// Networks, as `10.0.0.0/8` or `::1`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Arc<[Network]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    /// How many of its first bits count.
    prefix: u32,
}

impl Networks {
    /// Whether one of them has the address.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The networks that `text` lists; none where it is no such list.
    pub fn listed(text: &str) -> Option<Self> {
        listed(text, |item| item.parse().ok()).map(Self)
    }

    pub(super) fn read(variable: &Variables, name: &'static str) -> Result<Self, ConfigError> {
        let form = "addresses and networks with commas between them, like 10.0.0.0/8,::1";
        let networks = Self::listed(&variable.text(name, "")?.unwrap_or_default());
        networks.ok_or_else(|| malformed(name, form))
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), self.prefix, 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), self.prefix, 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether the first bits of two addresses are the same.
fn same(one: u128, other: u128, prefix: u32, bits: u32) -> bool {
    (one ^ other).checked_shr(bits - prefix).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(|_| ()))?;
        if prefix <= bits { Ok(Self { address, prefix }) } else { Err(()) }
    }
}

/// Origins of pages, each as a browser names it: `https://shop.example.com`.
pub(super) fn origins(variable: &Variables, name: &'static str) -> Result<Arc<[String]>, ConfigError> {
    let form = "origins with commas between them, each like https://shop.example.com, with no path and no *";
    let origins = listed(&variable.text(name, "")?.unwrap_or_default(), |item| {
        let (scheme, host) = item.split_once("://")?;
        let plain = |text: &str| !text.is_empty() && !text.contains(['/', '*', '?', '#', '@', ' ']);
        (plain(scheme) && plain(host) && item.to_ascii_lowercase() == item).then(|| item.to_owned())
    });
    origins.ok_or_else(|| malformed(name, form))
}

fn listed<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Arc<[T]>> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_like_it() {
        let some = Networks::listed("10.1.0.0/16, 192.0.2.7,2001:db8::/32,0.0.0.0/0").unwrap();
        assert!(some.contain("8.8.8.8".parse().unwrap()));
        let some = Networks::listed("10.1.0.0/16, 192.0.2.7,2001:db8::/32").unwrap();
        for (address, within) in [
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("192.0.2.7", true),
            ("192.0.2.6", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("::ffff:10.1.0.1", false),
        ] {
            assert_eq!(some.contain(address.parse().unwrap()), within, "{address}");
        }
        assert!(!Networks::listed("").unwrap().contain("127.0.0.1".parse().unwrap()));
        for text in ["x", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0/8", "10.0.0.0/"] {
            assert_eq!(Networks::listed(text), None, "{text}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        let read = |text: &str| {
            origins(&Variables::new(&|_| Ok(Some(text.to_owned()))), "N").ok().map(|origins| origins.len())
        };
        assert_eq!(read(""), Some(0));
        assert_eq!(read("https://a.example, http://localhost:3000"), Some(2));
        for text in ["*", "a.example", "https://a.example/", "https://*.a.example", "null", "https://A.example"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
