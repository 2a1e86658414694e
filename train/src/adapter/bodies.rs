//! c_body of some cached views.

use crate::body::Pose;
use crate::body::pose::view_weights;

/// A Gaussian over c_body.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Its mean.
    pub mean: Vec<f32>,
    /// Its variance.
    pub variance: Vec<f32>,
}

impl Body {
    /// N(0, I): nobody in particular.
    pub fn prior(width: usize) -> Self {
        Self { mean: vec![0.0; width], variance: vec![1.0; width] }
    }

    /// The product of what single views say (mean and log-variance of each) with the prior, views weighted as in the
    /// body-VAE ([`view_weights`]).
    pub fn of_views(views: &[(Vec<f32>, Vec<f32>)], poses: &[Pose], width: usize) -> Self {
        let (mut precision, mut shift) = (vec![1.0f32; width], vec![0.0f32; width]);
        for ((mean, log_variance), weight) in views.iter().zip(view_weights(poses)) {
            for i in 0..width {
                let tau = weight * (-log_variance[i]).exp();
                precision[i] += tau;
                shift[i] += tau * mean[i];
            }
        }
        let mean = shift.iter().zip(&precision).map(|(shift, precision)| shift / precision).collect();
        Self { mean, variance: precision.into_iter().map(f32::recip).collect() }
    }

    /// A draw: mean + σ·noise.
    pub fn sample(&self, noise: &[f32]) -> Vec<f32> {
        let of = |((mean, variance), noise): ((&f32, &f32), &f32)| mean + variance.sqrt() * noise;
        self.mean.iter().zip(&self.variance).zip(noise).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_view_is_the_prior_and_a_sure_view_is_itself() {
        assert_eq!(Body::of_views(&[], &[], 2), Body::prior(2));
        let mut pose = Pose { joints: [[0.5, 0.5, 1.0]; 17] };
        for (at, joint) in pose.joints.iter_mut().enumerate() {
            *joint = [0.3 + 0.02 * at as f32, 0.1 + 0.05 * at as f32, 1.0];
        }
        let sure = (vec![0.5, -2.0], vec![-20.0, -20.0]);
        let body = Body::of_views(&[sure], &[pose], 2);
        assert!((body.mean[0] - 0.5).abs() < 1e-5 && (body.mean[1] + 2.0).abs() < 1e-5);
        assert!(body.variance[0] < 1e-6);
        assert_eq!(body.sample(&[0.0, 0.0]), body.mean);
    }
}
