//! Ranges of IP addresses, as `cidr` writes them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Bound;

use super::cells::Interval;
use super::error::Reason;

/// All addresses of a network; bits of the address below the mask do not matter.
pub(super) fn range(cidr: &str) -> Result<Interval<IpAddr>, Reason> {
    let Some((address, mask)) = cidr.split_once('/').filter(|(_, mask)| !mask.contains('/')) else {
        return Err(Reason::CidrSlash);
    };
    // Signed, so that a negative one is refused for what it is.
    let mask: i64 = mask.parse().map_err(|_| Reason::CidrMaskNotAnInteger)?;
    if mask < 0 {
        return Err(Reason::CidrMaskNegative);
    }
    let address: IpAddr = address.parse().map_err(|_| Reason::NonstandardAddress(address.to_owned()))?;
    let (family, max) = match address {
        IpAddr::V4(_) => ("IPv4", 32),
        IpAddr::V6(_) => ("IPv6", 128),
    };
    if mask > i64::from(max) {
        return Err(Reason::CidrMaskTooLarge { family, max });
    }
    let n_free = u32::from(max) - mask as u32;
    // Where no bit is free the shift is by all of them, which `checked_shr` answers with none.
    let free = u128::MAX.checked_shr(128 - n_free).unwrap_or(0);
    let (first, last): (IpAddr, IpAddr) = match address {
        IpAddr::V4(address) => {
            let (bits, free) = (u32::from(address), free as u32);
            (Ipv4Addr::from(bits & !free).into(), Ipv4Addr::from(bits | free).into())
        }
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            (Ipv6Addr::from(bits & !free).into(), Ipv6Addr::from(bits | free).into())
        }
    };
    Ok((Bound::Included(first), Bound::Included(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_reaches_from_its_first_to_its_last_address() {
        let check = |cidr: &str, first: &str, last: &str| {
            let (first, last): (IpAddr, IpAddr) = (first.parse().unwrap(), last.parse().unwrap());
            assert_eq!(range(cidr), Ok((Bound::Included(first), Bound::Included(last))), "{cidr}");
        };
        check("10.0.0.0/24", "10.0.0.0", "10.0.0.255");
        check("10.0.0.77/24", "10.0.0.0", "10.0.0.255");
        check("10.0.0.77/32", "10.0.0.77", "10.0.0.77");
        check("1.2.3.4/0", "0.0.0.0", "255.255.255.255");
        check("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
        check("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        check("::1/128", "::1", "::1");
    }
}
