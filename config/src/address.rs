//! Addresses that nothing is ever sent to: those that hand out a machine's credentials, in every spelling.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The name resolves to an address that hands out a machine's credentials, or the URL names one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} is the link-local or metadata address {address}, which nothing is ever sent to")]
pub struct ForbiddenAddress {
    /// What was written.
    pub host: String,
    /// What it stands for.
    pub address: IpAddr,
}

/// Link-local and cloud metadata addresses, as IPv4, IPv6, IPv4 mapped or embedded into IPv6 (`::a.b.c.d`,
/// NAT64).
pub fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_forbidden_v4(address),
        IpAddr::V6(address) => {
            const METADATA: [Ipv6Addr; 2] = [
                Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
                Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
            ];
            address.is_unicast_link_local()
                || METADATA.contains(&address)
                || embedded_v4(address).is_some_and(is_forbidden_v4)
        }
    }
}

fn is_forbidden_v4(address: Ipv4Addr) -> bool {
    const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
    address.is_link_local() || METADATA.contains(&address)
}

/// The IPv4 address inside `::ffff:a.b.c.d`, `::a.b.c.d`, `64:ff9b::a.b.c.d` and 6to4's `2002:ab:cd::`.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // Mapped, compatible, NAT64 and 6to4: what they reach is the IPv4 address inside.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(from(high, low))
        }
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

/// Refuses a host that is itself a forbidden address; names are judged when they are resolved.
pub fn judge_host(host: &str) -> Result<(), ForbiddenAddress> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if is_forbidden(address) => Err(ForbiddenAddress { host: host.to_owned(), address }),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_link_local_addresses_are_refused_in_every_spelling() {
        for written in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[64:ff9b::169.254.169.254]",
            "[2002:a9fe:a9fe::1]",
        ] {
            assert!(judge_host(written).is_err(), "{written}");
        }
        for written in [
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "[::1]",
            "[fd12::1]",
            "[::ffff:10.0.0.1]",
            "example.invalid",
            "169.255.0.1",
        ] {
            assert_eq!(judge_host(written), Ok(()), "{written}");
        }
    }
}
