// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/core/atomic_file.hpp>

namespace umsrep::io {

using umsrep::atomic_file;
using umsrep::atomic_file_buffer;
using umsrep::write_atomically;

} // namespace umsrep::io
