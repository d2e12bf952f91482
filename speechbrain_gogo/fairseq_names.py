"""Names of weights as fairseq has them, in transformers' names.

Of HuBERT and WavLM, whose published checkpoints are fairseq's.
"""

import re

SELF_SUPERVISED = (
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^mask_emb$", "masked_spec_embed"),
    (r"(conv_layers\.\d+)\.0\.", r"\1.conv."),
    (r"(conv_layers\.\d+)\.2\.1\.", r"\1.layer_norm."),
    (r"pos_conv\.0\.weight_g$", "pos_conv.0.parametrizations.weight.original0"),
    (r"pos_conv\.0\.weight_v$", "pos_conv.0.parametrizations.weight.original1"),
    (r"pos_conv\.0\.", "pos_conv_embed.conv."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.self_attn\.grep_linear\.", ".attention.gru_rel_pos_linear."),
    (r"\.self_attn\.grep_a$", ".attention.gru_rel_pos_const"),
    (r"\.self_attn\.relative_attention_bias\.", ".attention.rel_attn_embed."),
    (r"\.self_attn\.", ".attention."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)
PRETRAINING = "final_proj.", "label_embs_concat"  # heads, which are not used


def rename(state, names=SELF_SUPERVISED):
    """Rename the keys of a state dict by patterns and replacements, in their order.

    Example
    -------
    >>> rename({"encoder.layers.0.fc1.bias": 1})
    {'encoder.layers.0.feed_forward.intermediate_dense.bias': 1}
    """
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed
