//! c_body and a pose to a picture: what c_body holds is placed along the pose's joints and limbs, so
//! that it has to carry shape and look, and nothing of the pose.

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use candle_nn::init::{DEFAULT_KAIMING_NORMAL, ZERO};
use rayon::prelude::*;

use super::config::{BodyVaeConfig, DRAWN_GRID};
use super::palette::Palette;
use super::pose::{POSE_MAPS, Pose};
use super::views::fold;
use crate::error::{Error, Result};
use crate::grad;
use crate::layers::{Conv, Linear, NormConv, Residual};

/// The decoder.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    config: BodyVaeConfig,
    codes: Linear,
    place: Tensor,
    coarse_pose: Tensor,
    coarse: Residual,
    widen: NormConv,
    fine_pose: Tensor,
    fine: Residual,
    out: NormConv,
    /// Where colours are told.
    palette: Option<Conv>,
}

impl Decoder {
    pub fn new(config: &BodyVaeConfig, builder: &VarBuilder) -> Result<Self> {
        let [coarse, fine] = config.decoder_channels;
        let folded = 3 * (config.decoded_px / DRAWN_GRID).pow(2);
        let pose = |channels: usize, name: &str| {
            builder.get_with_hints((channels, POSE_MAPS, 3, 3), name, DEFAULT_KAIMING_NORMAL)
        };
        Ok(Self {
            // A code for each joint and limb, and one for everywhere.
            codes: Linear::new(config.latent, (POSE_MAPS + 1) * coarse, &builder.pp("codes"))?,
            place: builder.get_with_hints((1, coarse, DRAWN_GRID / 2, DRAWN_GRID / 2), "place", ZERO)?,
            coarse_pose: pose(coarse, "coarse_pose")?,
            coarse: Residual::new(coarse, &builder.pp("coarse"))?,
            widen: NormConv::new(coarse, fine, &builder.pp("widen"))?,
            fine_pose: pose(fine, "fine_pose")?,
            fine: Residual::new(fine, &builder.pp("fine"))?,
            out: NormConv::small(fine, folded, &builder.pp("out"))?,
            palette: match config.palette {
                true => Some(Conv::new(folded, fine, 1, &builder.pp("palette"))?),
                false => None,
            },
            config: config.clone(),
        })
    }

    /// Pictures of `c_body` `[n, latent]` in `poses`, folded: `[n, 3·f², 32, 32]`, f = decoded_px / 32,
    /// in −1..=1. `palettes` are read where the model is told colours.
    pub fn forward(&self, c_body: &Tensor, poses: &[Pose], palettes: &[Palette]) -> Result<Tensor> {
        let count = poses.len();
        let [coarse, _] = self.config.decoder_channels;
        let side = DRAWN_GRID / 2;
        let maps = |side: usize| self.maps(poses, side, c_body);
        let (coarse_maps, fine_maps) = (maps(side)?, maps(DRAWN_GRID)?);
        let codes = self.codes.forward(c_body)?.reshape((count, coarse, POSE_MAPS + 1))?;
        let everywhere = codes.narrow(2, POSE_MAPS, 1)?.reshape((count, coarse, 1, 1))?;
        let placed = codes.narrow(2, 0, POSE_MAPS)?.contiguous()?.matmul(&coarse_maps.flatten_from(2)?)?;
        let posed = grad::conv2d(&coarse_maps, &self.coarse_pose, None, 1, 1)?;
        let x = (placed.reshape((count, coarse, side, side))? + posed)?;
        let x = x.broadcast_add(&everywhere)?.broadcast_add(&self.place.to_dtype(x.dtype())?)?;
        let x = self.widen.forward(&grad::upsample_nearest2x(&self.coarse.forward(&x)?)?)?;
        let x = (x + grad::conv2d(&fine_maps, &self.fine_pose, None, 1, 1)?)?;
        let Some(layer) = &self.palette else {
            return Ok(self.out.forward(&self.fine.forward(&x)?)?.to_dtype(DType::F32)?);
        };
        let coloured = self.coloured(poses, palettes, c_body)?;
        let x = (x + layer.forward(&coloured)?)?;
        Ok((self.out.forward(&self.fine.forward(&x)?)? + coloured)?.to_dtype(DType::F32)?)
    }

    /// The palettes laid out in the poses, folded.
    fn coloured(&self, poses: &[Pose], palettes: &[Palette], like: &Tensor) -> Result<Tensor> {
        if palettes.len() != poses.len() {
            return Err(Error::Shape {
                op: "decode",
                tensor: "palettes".to_owned(),
                found: palettes.len().into(),
                expected: format!("one for each of {} poses: this model is told colours", poses.len()),
            });
        }
        let side = self.config.decoded_px;
        let sigma = self.config.sigma_px / 1024.0;
        let mut folded = vec![0.0; poses.len() * 3 * side * side];
        folded.par_chunks_mut(3 * side * side).zip(poses).zip(palettes).for_each(|((out, pose), palette)| {
            fold(&palette.picture(pose, sigma, side), side, DRAWN_GRID, out);
        });
        let shape = (poses.len(), 3 * (side / DRAWN_GRID).pow(2), DRAWN_GRID, DRAWN_GRID);
        Ok(Tensor::from_vec(folded, shape, like.device())?.to_dtype(like.dtype())?)
    }

    fn maps(&self, poses: &[Pose], side: usize, like: &Tensor) -> Result<Tensor> {
        // Half the σ of the pooling: where a limb is, rather than what is around it.
        let sigma = 0.5 * self.config.sigma_px / 1024.0;
        let mut values = vec![0.0; poses.len() * POSE_MAPS * side * side];
        values
            .par_chunks_mut(POSE_MAPS * side * side)
            .zip(poses)
            .for_each(|(out, pose)| pose.maps(sigma, side, out));
        let shape = (poses.len(), POSE_MAPS, side, side);
        Ok(Tensor::from_vec(values, shape, like.device())?.to_dtype(like.dtype())?)
    }
}
