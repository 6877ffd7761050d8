// SPDX-License-Identifier: MIT
#pragma once

// xtensor 0.26 moved its headers into folders; this is the one place that knows.
#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xtensor.hpp>
#endif
