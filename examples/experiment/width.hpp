// SPDX-License-Identifier: MIT
#pragma once

namespace experiment {

/// Channels of the encoder's first stage; each further one has twice as many. CMake: EXPERIMENT_WIDTH.
#ifdef EXPERIMENT_WIDTH
inline constexpr int encoder_width = EXPERIMENT_WIDTH;
#else
inline constexpr int encoder_width = 16;
#endif

} // namespace experiment
