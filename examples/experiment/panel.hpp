// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include <umsrep/report/picture.hpp>

#include "job.hpp"

namespace experiment {

/// A few test images, a row each: the image, and what each task says of it. True masks are green, predicted ones yellow; a classification
/// that is wrong has a red edge. Throws option_error when there is no image.
umsrep::report::picture panel(const family& f, const std::vector<item>& images, const outputs& predicted);

} // namespace experiment
