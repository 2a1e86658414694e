mod case;

mod gaussian_weighting;
mod watermark_preprocess;
mod yolo_decode;
mod yolo_letterbox;
