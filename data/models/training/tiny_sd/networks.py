"""The five networks of the demo base, untrained: Stable Diffusion's, smaller."""

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

SIDE = 64  # pixels of a picture: a quarter of the work of 128, and the demo detector still finds everyone
CELL = 4  # pixels of a latent's cell, each way
LATENTS = 16  # numbers of a cell, of 48: of 4, too little comes back for the detector to find a person
TOKENS = 48  # of a caption, begin and end included
WIDTH = 128  # of a text token's state, and of CLIP's common space
LOOK = 64  # pixels of a picture as CLIP sees it


def vae() -> AutoencoderKL:
    """64 x 64 pixels to 16 x 16 x 16. A cell is 4 pixels wide, not 8 as Stable Diffusion's: an arm is 3 pixels wide."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=8,
        sample_size=SIDE,
        mid_block_add_attention=False,
    )


def unet() -> UNet2DConditionModel:
    """Velocities in latents, by timestep and text, which is read at 8 x 8 and 4 x 4 cells: attention at 16 x 16 as well
    would take nearly as long as all the rest."""
    return UNet2DConditionModel(
        sample_size=SIDE // CELL,
        in_channels=LATENTS,
        out_channels=LATENTS,
        block_out_channels=(48, 96, 160),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=(2, 3, 5),  # heads, whatever the key says
        cross_attention_dim=WIDTH,
        norm_num_groups=16,
    )


def text(vocabulary: int, begin: int, end: int) -> CLIPTextModelWithProjection:
    """Token ids to states and an embedding."""
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            bos_token_id=begin,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def vision() -> CLIPVisionModelWithProjection:
    """64 x 64 pixels to an embedding."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=LOOK,
            patch_size=8,
        )
    )


# As Stable Diffusion's, with velocities as 2.1 predicts them: a small error in the noise is a large one in the picture where
# there is next to no picture left.
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "steps_offset": 1,
}
