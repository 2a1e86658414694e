//! Synthetic people with known bodies, and a gallery that shows them.
//!
//! A [`Shot`] describes a photo, [`render`] draws it: a posed skeleton is dressed in triangles, lit, seen by a camera
//! and developed to bytes, and since everything is known, so is the truth about every pixel.
//!
//! | module | what |
//! |---|---|
//! | [`body`], `twin` | an identity: measures, skin, hair; people who differ in their measures only |
//! | [`pose`], [`skeleton`] | what it does, and where its joints are |
//! | [`mesh`], [`figure`], [`limb`], [`head`] | the solid person |
//! | [`surface`], [`face`], [`clothes`], [`colour`] | what it looks like |
//! | [`backdrop`], [`feature`], [`clutter`] | what is around it |
//! | [`scene`], [`camera`] | all of it, seen from somewhere |
//! | [`raster`], `layer`, [`shade`], [`render`](mod@render), [`develop`] | triangles to pixels |
//! | [`truth`], [`disturb`] | what is known; what a detector would make of it |
//! | [`view`], [`portrait`] | small photos of one person, for training; squares of somebody who stands |
//! | [`watermark`], [`strokes`], [`names`] | marks on photos, their letters, invented names |
//! | [`texture`], [`material`], [`pattern`], [`lettering`] | surfaces and things, to learn what is no mark |
//! | [`encode`], [`spoil`] | pixels to files; copies that differ, files that break |
//! | [`collection`] | identities with good photos and planted rejects |
//! | [`gallery`] | a site that shows a collection |
//! | [`noise`] | seeds and smooth noise |

pub mod backdrop;
pub mod body;
pub mod camera;
pub mod clothes;
pub mod clutter;
pub mod collection;
pub mod colour;
pub mod develop;
pub mod disturb;
pub mod encode;
pub mod face;
pub mod feature;
pub mod figure;
pub mod gallery;
pub mod head;
mod layer;
pub mod lettering;
pub mod limb;
pub mod material;
pub mod mesh;
pub mod names;
pub mod noise;
pub mod pattern;
pub mod portrait;
pub mod pose;
pub mod raster;
pub mod render;
pub mod scene;
pub mod shade;
pub mod skeleton;
pub mod spoil;
pub mod strokes;
pub mod surface;
pub mod texture;
pub mod truth;
mod twin;
pub mod view;
pub mod watermark;

pub use body::Body;
pub use collection::{Collection, CollectionSpec, Identity, Plant, Quirk, SyntheticPhoto};
pub use render::{Rendered, render};
pub use scene::{Framing, Shot};
pub use truth::{PersonTruth, Truth};
pub use view::{View, true_joints};
pub use watermark::{Mark, MarkKind};
