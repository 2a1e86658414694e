//! Gaussians over c_body, as products of what single views say.
//!
//! Each view is an expert N(μ, 1/τ) per dimension, and so is the prior N(0, 1). The product over a
//! set of views (Sengupta et al., arXiv:2103.10978) has the precision 1 + Σ wτ and the mean
//! Σ wτμ / (1 + Σ wτ), w being the weight of a view ([`view_weights`](super::pose::view_weights)).
//! Without views it is the prior exactly.

use candle_core::{DType, Device, Tensor};

use crate::error::Result;
use crate::grad;

/// What each of some views says of c_body: `[…, views, latent]`.
#[derive(Clone, Debug)]
pub struct Experts {
    /// The means μ.
    pub mean: Tensor,
    /// The precisions τ, above 0.
    pub precision: Tensor,
}

/// Diagonal Gaussians over c_body, `[sets, latent]`.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// 1/σ², at least 1: no view says less than the prior.
    pub precision: Tensor,
    /// The mean times the precision.
    pub shift: Tensor,
}

impl Experts {
    /// The product over sets of views: `weights` `[sets, views]` has the weight of each view in each
    /// set, 0 for those that are not in it; the experts are `[views, latent]`.
    pub fn product(&self, weights: &Tensor) -> Result<Posterior> {
        let precision = (weights.matmul(&self.precision)? + 1.0)?;
        let shift = weights.matmul(&(&self.precision * &self.mean)?)?;
        Ok(Posterior { precision, shift })
    }

    /// The same where each row of `[rows, views, latent]` has views of its own, `weights`
    /// `[rows, sets, views]`; the result is `[rows · sets, latent]`.
    pub fn products(&self, weights: &Tensor) -> Result<Posterior> {
        let flat = |t: Tensor| t.flatten(0, 1);
        let precision = (flat(weights.matmul(&self.precision)?)? + 1.0)?;
        let shift = flat(weights.matmul(&(&self.precision * &self.mean)?)?)?;
        Ok(Posterior { precision, shift })
    }
}

impl Posterior {
    /// N(0, I), for `sets` sets without views.
    pub fn prior(sets: usize, latent: usize, device: &Device) -> Result<Self> {
        let shape = (sets, latent);
        let precision = Tensor::ones(shape, DType::F32, device)?;
        Ok(Self { precision, shift: Tensor::zeros(shape, DType::F32, device)? })
    }

    /// The means.
    pub fn mean(&self) -> Result<Tensor> {
        Ok((&self.shift / &self.precision)?)
    }

    /// log σ².
    pub fn log_variance(&self) -> Result<Tensor> {
        Ok(self.precision.log()?.neg()?)
    }

    /// A draw: mean + σ·`noise`, `noise` standard normal `[sets, latent]`.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        Ok((self.mean()? + (noise * self.precision.powf(-0.5)?)?)?)
    }

    /// KL(q ‖ N(0, I)) per set and dimension in nats, `[sets, latent]`.
    pub fn kl(&self) -> Result<Tensor> {
        let variance = self.precision.recip()?;
        let square = self.mean()?.sqr()?;
        Ok((((variance + square)? + self.precision.log()?)? - 1.0)?.affine(0.5, 0.0)?)
    }

    /// The sets `rows` alone.
    pub fn rows(&self, rows: &Tensor) -> Result<Self> {
        Ok(Self {
            precision: self.precision.index_select(rows, 0)?,
            shift: self.shift.index_select(rows, 0)?,
        })
    }

    /// log ∫ qₐ(c)·q_b(c) / p(c) dc for every pair, `[a, b]` in nats: how much likelier it is that two
    /// sets of views show one person than that they show two.
    ///
    /// With A(h, a) = ½h²/a − ½ log a this is A(hₐ+h_b, aₐ+a_b−1) − A(hₐ, aₐ) − A(h_b, a_b), summed
    /// over dimensions: the score of a two-covariance model (PLDA), of which the mutual likelihood of
    /// Shi and Jain (arXiv:1904.09658) is a relative. A dimension in which neither set is surer than
    /// the prior adds nothing, so what a body does not show cannot tell people apart.
    pub fn evidence(&self, other: &Self) -> Result<Tensor> {
        grad::evidence([&self.precision, &self.shift], [&other.precision, &other.shift])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experts(views: usize) -> Result<Experts> {
        let mean =
            Tensor::arange(0f32, (views * 3) as f32, &Device::Cpu)?.reshape((views, 3))?.affine(0.3, -0.5)?;
        let precision = (mean.sqr()? + 0.5)?;
        Ok(Experts { mean, precision })
    }

    fn values(tensor: &Tensor) -> Result<Vec<f32>> {
        Ok(tensor.flatten_all()?.to_vec1()?)
    }

    #[test]
    fn no_view_at_all_gives_the_prior_exactly() -> Result<()> {
        let product = experts(2)?.product(&Tensor::zeros((1, 2), DType::F32, &Device::Cpu)?)?;
        assert_eq!(values(&product.mean()?)?, [0.0; 3]);
        assert_eq!(values(&product.log_variance()?)?, [0.0; 3]);
        assert_eq!(values(&product.kl()?)?, [0.0; 3]);
        let prior = Posterior::prior(1, 3, &Device::Cpu)?;
        assert_eq!(values(&prior.kl()?)?, [0.0; 3]);
        Ok(())
    }

    #[test]
    fn a_product_is_that_of_the_densities() -> Result<()> {
        // Two experts N(1, 1/2) and N(-1, 1/3) with the prior: precision 1 + 2 + 3, mean (2 − 3)/6.
        let experts = Experts {
            mean: Tensor::new(&[[1f32], [-1.0]], &Device::Cpu)?,
            precision: Tensor::new(&[[2f32], [3.0]], &Device::Cpu)?,
        };
        let product = experts.product(&Tensor::ones((1, 2), DType::F32, &Device::Cpu)?)?;
        assert_eq!(values(&product.precision)?, [6.0]);
        assert!((values(&product.mean()?)?[0] + 1.0 / 6.0).abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn evidence_is_the_integral_it_stands_for() -> Result<()> {
        let normal = |c: f64, mean: f64, variance: f64| {
            (-(c - mean).powi(2) / (2.0 * variance)).exp() / (std::f64::consts::TAU * variance).sqrt()
        };
        for (ma, pa, mb, pb) in [(0.4, 3.0, 0.9, 2.0), (-1.0, 8.0, 1.0, 8.0), (0.0, 1.0, 2.0, 5.0)] {
            let one = |mean: f64, precision: f64| -> Result<Posterior> {
                Ok(Posterior {
                    precision: Tensor::new(&[[precision as f32]], &Device::Cpu)?,
                    shift: Tensor::new(&[[(mean * precision) as f32]], &Device::Cpu)?,
                })
            };
            let found = values(&one(ma, pa)?.evidence(&one(mb, pb)?)?)?[0];
            let step = 1e-3;
            let integral: f64 = (-12_000..12_000)
                .map(|i| f64::from(i) * step)
                .map(|c| normal(c, ma, 1.0 / pa) * normal(c, mb, 1.0 / pb) / normal(c, 0.0, 1.0) * step)
                .sum();
            assert!((f64::from(found) - integral.ln()).abs() < 1e-4, "{found} {}", integral.ln());
        }
        Ok(())
    }
}
