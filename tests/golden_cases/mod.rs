mod candle;
mod case;

mod clip;
mod gaussian_weighting;
mod lora;
mod schedulers;
mod training;
mod unet;
mod vae;
mod watermark_preprocess;
mod yolo_decode;
mod yolo_letterbox;
