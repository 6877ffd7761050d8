// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/cudnn.hpp>

namespace umsrep::cuda {

namespace detail {
template <class>
inline constexpr bool is_attribute_type = false;
}

/// The word by which cuDNN knows the type of an attribute's elements. Another type does not compile.
template <class T>
inline constexpr cudnnBackendAttributeType_t attribute_type = [] {
    static_assert(detail::is_attribute_type<T>, "umsrep: cuDNN has no attributes of this type");
    return cudnnBackendAttributeType_t{};
}();
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<void*> = CUDNN_TYPE_VOID_PTR;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<bool> = CUDNN_TYPE_BOOLEAN;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<char> = CUDNN_TYPE_CHAR;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<std::int32_t> = CUDNN_TYPE_INT32;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<std::int64_t> = CUDNN_TYPE_INT64;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<float> = CUDNN_TYPE_FLOAT;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnFraction_t> = CUDNN_TYPE_FRACTION;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnHandle_t> = CUDNN_TYPE_HANDLE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnDataType_t> = CUDNN_TYPE_DATA_TYPE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnConvolutionMode_t> = CUDNN_TYPE_CONVOLUTION_MODE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnPointwiseMode_t> = CUDNN_TYPE_POINTWISE_MODE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnResampleMode_t> = CUDNN_TYPE_RESAMPLE_MODE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnPaddingMode_t> = CUDNN_TYPE_PADDING_MODE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnReduceTensorOp_t> = CUDNN_TYPE_REDUCTION_OPERATOR_TYPE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnBackendNormMode_t> = CUDNN_TYPE_NORM_MODE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnBackendNormFwdPhase_t> = CUDNN_TYPE_NORM_FWD_PHASE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnBackendHeurMode_t> = CUDNN_TYPE_HEUR_MODE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnBackendNumericalNote_t> = CUDNN_TYPE_NUMERICAL_NOTE;
template <>
inline constexpr cudnnBackendAttributeType_t attribute_type<cudnnBackendBehaviorNote_t> = CUDNN_TYPE_BEHAVIOR_NOTE;

/// One of cuDNN's descriptors, owned. What another refers to must live as long as the other.
class descriptor {
public:
    explicit descriptor(cudnnBackendDescriptorType_t type) {
        cudnn().check(cudnn().create_descriptor(type, &handle_), "create a descriptor");
    }
    descriptor(descriptor&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~descriptor() {
        if (handle_ != nullptr) cudnn().destroy_descriptor(handle_);
    }

    cudnnBackendDescriptor_t handle() const { return handle_; }

    template <class T>
    descriptor& set(cudnnBackendAttributeName_t name, std::span<const T> values) {
        return set(name, attribute_type<T>, values.data(), values.size());
    }
    template <class T>
    descriptor& set(cudnnBackendAttributeName_t name, const T& value) {
        return set(name, attribute_type<T>, &value, 1);
    }
    descriptor& set(cudnnBackendAttributeName_t name, const descriptor& other) {
        return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &other.handle_, 1);
    }
    descriptor& set(cudnnBackendAttributeName_t name, std::span<const descriptor> others) {
        std::vector<cudnnBackendDescriptor_t> handles;
        for (const descriptor& other : others) handles.push_back(other.handle_);
        return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, handles.data(), handles.size());
    }

    /// After this it is constant and may be referred to.
    descriptor& finalize(std::string_view what) {
        const cudnnStatus_t status = cudnn().finalize(handle_);
        if (status != CUDNN_STATUS_SUCCESS) cudnn().check(status, "describe " + std::string(what));
        return *this;
    }

    /// All elements of an attribute.
    template <class T>
    std::vector<T> get(cudnnBackendAttributeName_t name) const {
        std::vector<T> values(static_cast<std::size_t>(get(name, attribute_type<T>, 0, nullptr)), T{});
        const std::int64_t count = get(name, attribute_type<T>, static_cast<std::int64_t>(values.size()), values.data());
        values.resize(static_cast<std::size_t>(count));
        return values;
    }
    /// The same where the elements are descriptors: the first `most` of them. cuDNN works on each that it gives.
    std::vector<descriptor> get(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type, std::int64_t most) const {
        std::vector<descriptor> values;
        std::vector<cudnnBackendDescriptor_t> handles;
        for (std::int64_t n = std::min(most, get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr)); n > 0; --n) {
            values.emplace_back(type);
            handles.push_back(values.back().handle());
        }
        if (values.empty()) return values;
        const std::int64_t count = get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<std::int64_t>(handles.size()), handles.data());
        while (static_cast<std::int64_t>(values.size()) > count) values.pop_back();
        return values;
    }

private:
    descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const void* values, std::size_t count) {
        const cudnnStatus_t status = cudnn().set_attribute(handle_, name, type, static_cast<std::int64_t>(count), values);
        if (status != CUDNN_STATUS_SUCCESS) cudnn().check(status, "set attribute " + std::to_string(name) + " of a descriptor");
        return *this;
    }
    /// The number of elements: that there are where none are asked for, else that were given.
    std::int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t room, void* values) const {
        std::int64_t count = 0;
        const cudnnStatus_t status = cudnn().get_attribute(handle_, name, type, room, &count, values);
        if (status != CUDNN_STATUS_SUCCESS) cudnn().check(status, "get attribute " + std::to_string(name) + " of a descriptor");
        return count;
    }

    cudnnBackendDescriptor_t handle_ = nullptr;
};

} // namespace umsrep::cuda
