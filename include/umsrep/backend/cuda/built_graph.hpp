// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/descriptor.hpp>
#include <umsrep/backend/cuda/operation.hpp>

namespace umsrep::cuda {

constexpr cudnnDataType_t cudnn_type(data_type type) {
    switch (type) {
    case data_type::float32: return CUDNN_DATA_FLOAT;
    case data_type::bfloat16: return CUDNN_DATA_BFLOAT16;
    case data_type::float16: return CUDNN_DATA_HALF;
    case data_type::int8: return CUDNN_DATA_INT8;
    }
    return CUDNN_DATA_FLOAT;
}

/// An operation graph in cuDNN's descriptors. Throws cuda_error with the graph's name, its tensors and cuDNN's words where cuDNN
/// refuses one of its operations.
class built_graph {
public:
    explicit built_graph(const operation_graph& g) : name_{text(g)}, graph_{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR} {
        for (const operation& o : g.operations) multiplies_ = multiplies_ || std::holds_alternative<convolution>(o);
        try {
            for (const operation& o : g.operations) std::visit([this](const auto& one) { operations_.push_back(build(one)); }, o);
            graph_.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, std::span<const descriptor>(operations_));
            graph_.finalize("the graph");
        } catch (const cuda_error& e) {
            throw cuda_error(name_ + ": " + e.what());
        }
    }

    const descriptor& graph() const { return graph_; }
    /// Name and tensors, for messages: "conv + relu: image 1x8x32x32 bf16, weight ...".
    const std::string& name() const { return name_; }
    /// It has products that tensor cores could take, at fewer bits.
    bool multiplies() const { return multiplies_; }
    /// The roles of what it reads and writes in memory, or by value.
    std::vector<role> roles() const {
        std::vector<role> all;
        for (const auto& known : tensors_)
            if (known.first < static_cast<std::int64_t>(role::intermediate)) all.push_back(static_cast<role>(known.first));
        return all;
    }

    /// The graph's name and the sizes of what it reads and writes.
    static std::string text(const operation_graph& g) {
        std::string s = g.name;
        const char* separator = ": ";
        for (const operation& o : g.operations)
            for_each_tensor(o, [&](const char* word, const tensor& t) {
                if (t.inside || t.by_value || t.size[2] * t.size[3] * t.size[0] == 1)
                    return; // numbers of channels: they follow from the rest
                s += std::exchange(separator, ", ") + std::string(word) + " " + cuda::text(t);
            });
        return s;
    }

private:
    const descriptor& at(const tensor& t) {
        const auto known = tensors_.find(t.id);
        if (known != tensors_.end()) return known->second;
        descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
        d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, t.id);
        d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, cudnn_type(t.type));
        d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(t.size));
        d.set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(t.stride));
        d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{16});
        d.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, t.inside);
        d.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, t.by_value);
        d.finalize("tensor " + cuda::text(t));
        return tensors_.emplace(t.id, std::move(d)).first->second;
    }
    descriptor& keep(descriptor d) { return settings_.emplace_back(std::move(d)); }

    descriptor build(const convolution& c) {
        const auto both = [](extent e) { return std::array<std::int64_t, 2>{e.h, e.w}; };
        descriptor map(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
        map.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2});
        map.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
        map.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
        map.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, std::span<const std::int64_t>(both(c.padding)));
        map.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, std::span<const std::int64_t>(both(c.padding)));
        map.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, std::span<const std::int64_t>(both(c.stride)));
        map.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, std::span<const std::int64_t>(both(c.dilation)));
        map.finalize("a convolution");
        const descriptor& how = keep(std::move(map));
        switch (c.what) {
        case convolution::gives::results: {
            descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, how);
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, at(c.image));
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, at(c.weight));
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, at(c.result));
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f);
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f);
            d.finalize("a convolution forward");
            return d;
        }
        case convolution::gives::images: {
            descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, how);
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, at(c.image));
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, at(c.weight));
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, at(c.result));
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0f);
            d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0f);
            d.finalize("a convolution backward to its image");
            return d;
        }
        case convolution::gives::weights: break;
        }
        descriptor d(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, how);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, at(c.image));
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, at(c.weight));
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, at(c.result));
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0f);
        d.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0f);
        d.finalize("a convolution backward to its weights");
        return d;
    }

    descriptor build(const pointwise& p) {
        descriptor function(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
        function.set(CUDNN_ATTR_POINTWISE_MODE, p.mode);
        function.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
        function.finalize("a pointwise function");
        descriptor d(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
        d.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, keep(std::move(function)));
        d.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, at(p.x));
        if (p.other) d.set(p.backward() ? CUDNN_ATTR_OPERATION_POINTWISE_DYDESC : CUDNN_ATTR_OPERATION_POINTWISE_BDESC, at(*p.other));
        d.set(p.backward() ? CUDNN_ATTR_OPERATION_POINTWISE_DXDESC : CUDNN_ATTR_OPERATION_POINTWISE_YDESC, at(p.y));
        d.finalize("a pointwise operation");
        return d;
    }

    descriptor build(const resample& r) {
        descriptor how(CUDNN_BACKEND_RESAMPLE_DESCRIPTOR);
        how.set(CUDNN_ATTR_RESAMPLE_MODE, r.mode);
        how.set(CUDNN_ATTR_RESAMPLE_COMP_TYPE, CUDNN_DATA_FLOAT);
        how.set(CUDNN_ATTR_RESAMPLE_PADDING_MODE, r.border);
        how.set(CUDNN_ATTR_RESAMPLE_SPATIAL_DIMS, std::int64_t{2});
        how.set(CUDNN_ATTR_RESAMPLE_WINDOW_DIMS, std::span<const cudnnFraction_t>(r.window));
        how.set(CUDNN_ATTR_RESAMPLE_STRIDES, std::span<const cudnnFraction_t>(r.stride));
        how.set(CUDNN_ATTR_RESAMPLE_PRE_PADDINGS, std::span<const cudnnFraction_t>(r.pad_before));
        how.set(CUDNN_ATTR_RESAMPLE_POST_PADDINGS, std::span<const cudnnFraction_t>(r.pad_after));
        how.finalize("a resampling");
        if (r.backward) {
            descriptor d(CUDNN_BACKEND_OPERATION_RESAMPLE_BWD_DESCRIPTOR);
            d.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DESC, keep(std::move(how)));
            d.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DXDESC, at(r.image));
            d.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_DYDESC, at(r.result));
            if (r.index) d.set(CUDNN_ATTR_OPERATION_RESAMPLE_BWD_IDXDESC, at(*r.index));
            d.finalize("a resampling backward");
            return d;
        }
        descriptor d(CUDNN_BACKEND_OPERATION_RESAMPLE_FWD_DESCRIPTOR);
        d.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_DESC, keep(std::move(how)));
        d.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_XDESC, at(r.image));
        d.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_YDESC, at(r.result));
        if (r.index) d.set(CUDNN_ATTR_OPERATION_RESAMPLE_FWD_IDXDESC, at(*r.index));
        d.finalize("a resampling forward");
        return d;
    }

    descriptor build(const norm_forward& n) {
        descriptor d(CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR);
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_BATCH_NORM);
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_NORM_FWD_TRAINING);
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, at(n.x));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, at(n.mean));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC, at(n.deviation));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, at(n.scale));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, at(n.shift));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_EPSILON_DESC, at(n.epsilon));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_EXP_AVG_FACTOR_DESC, at(n.momentum));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_INPUT_RUNNING_MEAN_DESC, at(n.running_mean));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_INPUT_RUNNING_VAR_DESC, at(n.running_variance));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_OUTPUT_RUNNING_MEAN_DESC, at(n.next_running_mean));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_OUTPUT_RUNNING_VAR_DESC, at(n.next_running_variance));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, at(n.y));
        d.finalize("a batch normalisation");
        return d;
    }

    descriptor build(const norm_again& n) {
        descriptor d(CUDNN_BACKEND_OPERATION_NORM_FORWARD_DESCRIPTOR);
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_MODE, CUDNN_BATCH_NORM);
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_PHASE, CUDNN_NORM_FWD_INFERENCE);
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_XDESC, at(n.x));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_MEAN_DESC, at(n.mean));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_INV_VARIANCE_DESC, at(n.deviation));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_SCALE_DESC, at(n.scale));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_BIAS_DESC, at(n.shift));
        d.set(CUDNN_ATTR_OPERATION_NORM_FWD_YDESC, at(n.y));
        d.finalize("a batch normalisation by given statistics");
        return d;
    }

    descriptor build(const norm_backward& n) {
        descriptor d(CUDNN_BACKEND_OPERATION_NORM_BACKWARD_DESCRIPTOR);
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_MODE, CUDNN_BATCH_NORM);
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_XDESC, at(n.x));
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_MEAN_DESC, at(n.mean));
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_INV_VARIANCE_DESC, at(n.deviation));
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_DYDESC, at(n.grad_y));
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_SCALE_DESC, at(n.scale));
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_DSCALE_DESC, at(n.grad_scale));
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_DBIAS_DESC, at(n.grad_shift));
        d.set(CUDNN_ATTR_OPERATION_NORM_BWD_DXDESC, at(n.grad_x));
        d.finalize("a batch normalisation backward");
        return d;
    }

    descriptor build(const channel_sums& r) {
        descriptor how(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
        how.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_REDUCE_TENSOR_ADD);
        how.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_DATA_FLOAT);
        how.finalize("a reduction");
        descriptor d(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
        d.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, keep(std::move(how)));
        d.set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, at(r.x));
        d.set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, at(r.y));
        d.finalize("a reduction");
        return d;
    }

    std::string name_;
    bool multiplies_ = false;
    std::map<std::int64_t, descriptor> tensors_;
    std::vector<descriptor> settings_, operations_;
    descriptor graph_;
};

} // namespace umsrep::cuda
