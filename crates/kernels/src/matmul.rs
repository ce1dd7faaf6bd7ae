//! Products of `f32` matrices.
//!
//! The right side is laid out once ([`PackedMatrix`]); [`multiply`] computes the product in tiles of a few rows and
//! columns, whose sums stay in registers.

mod packed;
mod tiles;

pub use packed::{MatrixWriter, PackedMatrix};
pub use tiles::{BLOCK_COLUMNS, TILE_BLOCKS, TILE_ROWS, Tile, TiledProduct, multiply, multiply_part};
