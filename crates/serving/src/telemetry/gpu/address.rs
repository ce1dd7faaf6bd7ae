//! Address of a card on its bus.

use std::str::FromStr;

/// PCI address. NVIDIA's library writes it as `00000000:07:00.0`, Linux and Vulkan as `0000:07:00.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

/// Text that is no PCI address.
#[derive(Debug, thiserror::Error)]
#[error("expected a PCI address such as `0000:07:00.0`")]
pub struct InvalidPciAddress;

impl FromStr for PciAddress {
    type Err = InvalidPciAddress;

    fn from_str(text: &str) -> Result<Self, InvalidPciAddress> {
        let parse = || {
            let (domain, rest) = text.trim().split_once(':')?;
            let (bus, rest) = rest.split_once(':')?;
            let (device, function) = rest.split_once('.')?;
            let byte = |text: &str| u8::from_str_radix(text, 16).ok();
            let domain = u32::from_str_radix(domain, 16).ok()?;
            Some(Self { domain, bus: byte(bus)?, device: byte(device)?, function: byte(function)? })
        };
        parse().ok_or(InvalidPciAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_equal_and_other_texts_are_refused() {
        let of = |text: &str| text.parse::<PciAddress>();
        assert_eq!(of("00000000:0A:00.0").unwrap(), of("0000:0a:00.0\n").unwrap());
        assert_ne!(of("0001:0a:00.0").unwrap(), of("0000:0a:00.0").unwrap());
        for wrong in ["", "0a:00.0", "0000:0a:00", "0000:1ff:00.0", "0000:0a:00.x", "nonsense"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
