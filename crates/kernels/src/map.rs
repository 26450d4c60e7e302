//! Feature maps: `[image, row, col, channel]` with a one-pixel border of zeros and padded channels.
//!
//! *Law.* The border is zero at all times, so that a 3x3 "same" convolution needs no edge cases, and
//! so is every channel at or beyond `channels()`. Only interior rows are handed out for writing.

use rayon::prelude::*;

use super::aligned::Aligned;
use crate::scalar::Scalar;

/// Channels are stored in multiples of this, so that kernels may load and store whole registers.
pub const CHANNEL_STEP: usize = 16;

/// A stack of feature maps of one layer; see the module's law.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMap<T> {
    images: usize,
    height: usize,
    width: usize,
    channels: usize,
    stride: usize,
    data: Aligned<T>,
}

impl<T: Scalar> FeatureMap<T> {
    /// A map of zeros whose channels are padded to a multiple of [`CHANNEL_STEP`].
    pub fn new(images: usize, height: usize, width: usize, channels: usize) -> Self {
        Self::with_stride(
            images,
            height,
            width,
            channels,
            channels.next_multiple_of(CHANNEL_STEP),
        )
    }

    /// A map of zeros without channel padding, which is only ever read.
    pub fn dense(images: usize, height: usize, width: usize, channels: usize) -> Self {
        Self::with_stride(images, height, width, channels, channels)
    }

    /// A map of zeros for the input of a network: few channels are stored densely, more channels in whole registers, as
    /// their kernels need.
    pub fn input(images: usize, height: usize, width: usize, channels: usize) -> Self {
        if channels < CHANNEL_STEP {
            Self::dense(images, height, width, channels)
        } else {
            Self::new(images, height, width, channels)
        }
    }

    fn with_stride(images: usize, height: usize, width: usize, channels: usize, s: usize) -> Self {
        let data = Aligned::zeros(images * (height + 2) * (width + 2) * s);
        Self {
            images,
            height,
            width,
            channels,
            stride: s,
            data,
        }
    }

    /// The number of images in use.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Uses the first `images` of the images the map was made for.
    ///
    /// # Panics
    /// If the map is too small.
    pub fn set_images(&mut self, images: usize) {
        assert!(
            images * self.image_len() <= self.data.len(),
            "map made for fewer images"
        );
        self.images = images;
    }

    /// Panics unless `other` has as many images, rows and columns.
    pub(super) fn assert_same_pixels(&self, other: &Self) {
        assert_eq!(
            (self.images, self.height, self.width),
            (other.images, other.height, other.width),
            "images, rows, columns"
        );
    }

    /// Rows of an image.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of an image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Channels in use.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Stored channels per pixel.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Stored values per bordered row.
    pub fn row_len(&self) -> usize {
        (self.width + 2) * self.stride
    }

    /// Stored values per bordered image.
    pub fn image_len(&self) -> usize {
        (self.height + 2) * self.row_len()
    }

    /// All stored values of the images in use, borders included.
    pub fn data(&self) -> &[T] {
        &self.data[..self.images * self.image_len()]
    }

    /// Flat index of the first channel of interior pixel `(row, col)` of `image`.
    pub fn at(&self, image: usize, row: usize, col: usize) -> usize {
        image * self.image_len() + (row + 1) * self.row_len() + (col + 1) * self.stride
    }

    /// Flat index of the top left tap of that pixel, inside the border: one row and one pixel back.
    pub(super) fn corner(&self, image: usize, row: usize, col: usize) -> usize {
        self.at(image, row, col) - self.row_len() - self.stride
    }

    /// The stored channels of one interior pixel.
    pub fn pixel(&self, image: usize, row: usize, col: usize) -> &[T] {
        let i = self.at(image, row, col);
        &self.data[i..i + self.stride]
    }

    /// The stored channels of one interior pixel, for writing; padding channels must stay zero.
    pub fn pixel_mut(&mut self, image: usize, row: usize, col: usize) -> &mut [T] {
        let i = self.at(image, row, col);
        &mut self.data[i..i + self.stride]
    }

    /// The interior of one row: `width * stride` values.
    pub fn row(&self, image: usize, row: usize) -> &[T] {
        let i = self.at(image, row, 0);
        &self.data[i..i + self.width * self.stride]
    }

    /// All stored values of the images in use, for kernels that keep borders and padding zero.
    pub(super) fn data_mut(&mut self) -> &mut [T] {
        let len = self.images * self.image_len();
        &mut self.data[..len]
    }

    /// The interior rows of the images in use, in parallel, cut into bands of at most `rows` rows.
    /// Borders inside a band must stay zero.
    pub fn bands_mut(&mut self, rows: usize) -> impl ParallelIterator<Item = Band<'_, T>> {
        let (row_len, image_len, height) = (self.row_len(), self.image_len(), self.height);
        self.data_mut()
            .par_chunks_mut(image_len)
            .enumerate()
            .flat_map(move |(image, values)| {
                values[row_len..row_len * (height + 1)]
                    .par_chunks_mut(rows * row_len)
                    .enumerate()
                    .map(move |(k, values)| Band {
                        image,
                        first_row: k * rows,
                        values,
                    })
            })
    }

    /// Calls `f` with image, row, column and channels of every interior pixel, for writing, in parallel.
    pub fn each_pixel(&mut self, f: impl Fn(usize, usize, usize, &mut [T]) + Sync) {
        let (row_len, stride, channels) = (self.row_len(), self.stride, self.channels);
        self.bands_mut(8).for_each(|band| {
            for (k, row) in band.values.chunks_exact_mut(row_len).enumerate() {
                let pixels = row[stride..row_len - stride].chunks_exact_mut(stride);
                for (col, pixel) in pixels.enumerate() {
                    f(band.image, band.first_row + k, col, &mut pixel[..channels]);
                }
            }
        });
    }

    /// Sets every interior and padding value to zero.
    pub fn clear(&mut self) {
        self.data.fill(T::zero());
    }
}

/// Some bordered rows of one image, for writing.
#[derive(Debug)]
pub struct Band<'a, T> {
    /// Which image.
    pub image: usize,
    /// The interior row that `values` begins with.
    pub first_row: usize,
    /// Whole bordered rows.
    pub values: &'a mut [T],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_every_interior_row_once() {
        let mut m = FeatureMap::<f32>::new(3, 5, 4, 2);
        assert_eq!(m.stride(), 16);
        let row = m.row_len();
        let mut seen: Vec<_> = m
            .bands_mut(2)
            .flat_map_iter(|b| {
                let rows = b.values.chunks_mut(row).enumerate();
                rows.map(move |(k, r)| {
                    r[16..32].fill(1.0);
                    (b.image, b.first_row + k)
                })
            })
            .collect();
        seen.sort_unstable();
        let want: Vec<_> = (0..3).flat_map(|i| (0..5).map(move |r| (i, r))).collect();
        assert_eq!(seen, want);
        assert_eq!(m.pixel(2, 4, 0)[0], 1.0);
        assert_eq!(m.pixel(2, 4, 1)[0], 0.0);
        assert_eq!(m.data().iter().sum::<f32>(), 15.0 * 16.0);
    }
}
