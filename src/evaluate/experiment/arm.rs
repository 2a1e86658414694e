//! What is compared: ways of drawing somebody.

use super::plan::ExperimentPlan;
use super::trainings::Kind;
use crate::evaluate::condition::Condition;

/// A way of drawing somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its name in files and results: `text`, `ref`, `body`, `both`, `body-1`, `ip-adapter`, `dreambooth`.
    pub key: String,
    /// Which training draws it; `None` is the plain base.
    pub by: Option<Kind>,
    /// Weights of the streams.
    pub condition: Condition,
    /// Photos that c_body is made of.
    pub views: usize,
}

impl Arm {
    /// All of a plan: the table's first, then the body's by the number of views.
    pub fn all(plan: &ExperimentPlan) -> Vec<Self> {
        let arm =
            |key: &str, by, lambda_ref, lambda_body| Self::new(key, by, lambda_ref, lambda_body, plan.views);
        let ours = Some(Kind::Adapter);
        let (body, reference) = (plan.lambda_body, plan.lambda_ref);
        let mut all = vec![
            arm("text", None, 0.0, 0.0),
            arm("ref", ours, reference, 0.0),
            arm("body", ours, 0.0, body),
            arm("both", ours, reference, body),
            arm("ip-adapter", Some(Kind::IpAdapter), reference, 0.0),
            arm("dreambooth", Some(Kind::Dreambooth), 0.0, 0.0),
        ];
        let others = plan.view_counts.iter().filter(|&&views| views != plan.views);
        all.extend(others.map(|&views| Self { views, ..arm(&by_views(views), ours, 0.0, body) }));
        all
    }

    fn new(key: &str, by: Option<Kind>, lambda_ref: f64, lambda_body: f64, views: usize) -> Self {
        Self { key: key.to_owned(), by, condition: Condition { lambda_body, lambda_ref }, views }
    }

    /// Whether it is one of the body's by the number of views, which are not in the table.
    pub fn is_by_views(&self, plan: &ExperimentPlan) -> bool {
        self.views != plan.views
    }

    /// The key of the body's arm with so many views.
    pub fn of_views(views: usize, plan: &ExperimentPlan) -> String {
        if views == plan.views { "body".to_owned() } else { by_views(views) }
    }
}

fn by_views(views: usize) -> String {
    format!("body-{views}")
}
