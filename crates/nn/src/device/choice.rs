//! The requested device.

use std::str::FromStr;

use crate::error::Error;

/// A requested device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A physical GPU if one opens, else the CPU.
    Auto,
    /// A Vulkan adapter, including software ones.
    Vulkan,
    /// The CPU with Burn's Flex backend.
    Flex,
    /// The CPU with Burn's `NdArray` backend (cargo feature `ndarray`).
    NdArray,
}

impl DeviceChoice {
    /// Name that is parsed to this choice.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Vulkan => "vulkan",
            Self::Flex => "flex",
            Self::NdArray => "ndarray",
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "vulkan" => Ok(Self::Vulkan),
            "flex" | "cpu" => Ok(Self::Flex),
            "ndarray" => Ok(Self::NdArray),
            _ => Err(Error::UnknownDevice { name: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_is_named_with_the_known_ones() {
        assert_eq!("cpu".parse::<DeviceChoice>().unwrap(), DeviceChoice::Flex);
        let error = "cuda".parse::<DeviceChoice>().unwrap_err().to_string();
        assert_eq!(error, "unknown device `cuda`; expected auto, vulkan, flex or ndarray");
    }
}
