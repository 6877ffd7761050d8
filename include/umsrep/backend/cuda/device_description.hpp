// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/backend/cuda/descriptor.hpp>

namespace umsrep::cuda {

/// A device as cuDNN knows it. Plans are made for a description, so they can be made, and asked for, where the device is not.
class device_description {
public:
    /// A device of this machine by its number. Throws cuda_error.
    explicit device_description(std::int32_t device) {
        descriptor_.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, device);
        descriptor_.finalize("device " + std::to_string(device));
    }
    /// A device by what `json()` once said of it. Throws cuda_error.
    explicit device_description(std::string_view json) {
        descriptor_.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(json.data(), json.size()));
        descriptor_.finalize("a device by JSON");
    }

    std::string json() const {
        const std::vector<char> text = descriptor_.get<char>(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION);
        return std::string(text.begin(), std::find(text.begin(), text.end(), '\0'));
    }

    const descriptor& get() const { return descriptor_; }

private:
    descriptor descriptor_{CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR};
};

} // namespace umsrep::cuda
