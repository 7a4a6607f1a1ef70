//! Addresses of servers. IPv4 ones belong to this machine, so nothing outside is ever dialled.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;

/// Gives addresses away, each once until all others were given.
#[derive(Debug)]
pub(crate) struct Addresses {
    pool: Ipv4Net,
    next_ipv4: u32,
    next_ipv6: u32,
}

impl Addresses {
    pub(crate) fn new(pool: Ipv4Net) -> Self {
        Self {
            pool,
            next_ipv4: 1,
            next_ipv6: 1,
        }
    }

    /// An address that is not in use; none if all are.
    pub(crate) fn ipv4(&mut self, used: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
        let first = u32::from(self.pool.network());
        let last = u32::from(self.pool.broadcast());
        let size = (last - first).saturating_add(1);
        (0..size).find_map(|_| {
            let offset = self.next_ipv4 % size;
            self.next_ipv4 = offset + 1;
            let address = Ipv4Addr::from(first.wrapping_add(offset));
            let last_byte = address.octets()[3];
            (last_byte != 0 && last_byte != 255 && !used(address)).then_some(address)
        })
    }

    /// A network of 64 bits in `2001:db8::/32`, the range for examples.
    pub(crate) fn ipv6(&mut self) -> String {
        let number = self.next_ipv6;
        self.next_ipv6 = self.next_ipv6.wrapping_add(1);
        let address = Ipv6Addr::from((0x2001_0db8_u128 << 96) | (u128::from(number) << 64));
        format!("{address}/64")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_pool_is_used_up_to_the_last_address() {
        let pool = "127.80.5.0/24".parse().unwrap();
        let mut addresses = Addresses::new(pool);
        let mut used = HashSet::new();
        while let Some(address) = addresses.ipv4(|address| used.contains(&address)) {
            assert!(used.insert(address));
        }
        assert_eq!(used.len(), 254);
        used.remove(&Ipv4Addr::new(127, 80, 5, 77));
        let again = addresses.ipv4(|address| used.contains(&address));
        assert_eq!(again, Some(Ipv4Addr::new(127, 80, 5, 77)));
        assert_eq!(addresses.ipv6(), "2001:db8:0:1::/64");
    }
}
