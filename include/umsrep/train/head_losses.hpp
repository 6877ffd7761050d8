// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <umsrep/core/aligned_array.hpp>
#include <umsrep/core/error.hpp>
#include <umsrep/core/tensor_view.hpp>
#include <umsrep/core/units.hpp>
#include <umsrep/data/batch.hpp>
#include <umsrep/loss/workspace.hpp>
#include <umsrep/network/check.hpp>
#include <umsrep/train/labelled.hpp>

namespace umsrep {

/// The losses of a model's heads with their options, and what they compute with.
template <class Model>
class head_losses {
    using Net = typename Model::network_type;
    using T = typename Model::scalar;
    static constexpr std::size_t head_count = static_cast<std::size_t>(Model::head_count);

public:
    /// `m` must outlive this. `capacity`: the largest batch.
    head_losses(Model& m, batch capacity) : model_{&m}, capacity_{capacity.value} {
        std::size_t scratch = 0;
        for_each([&](const auto& loss, std::size_t h) {
            scratch = std::max(scratch, loss.scratch_size(capacity_, m.network()[m.network().heads[h].logits].out, m.pool().threads()));
        });
        scratch_ = aligned_array<double>(scratch);
    }

    using tuple = typename network_traits<Net>::losses;
    const tuple& all() const { return losses_; }
    template <std::size_t Head>
    auto& get() {
        return std::get<Head>(losses_);
    }

    /// Calls f(loss, head) for every head's loss, in their order.
    template <class F>
    void for_each(F f) const {
        [&]<std::size_t... H>(std::index_sequence<H...>) { (f(std::get<H>(losses_), H), ...); }(std::make_index_sequence<head_count>{});
    }

    /// Throws when the batch is not of this model: shape_mismatch, or error for an image that is not finite. `may_record`: changes of pixels
    /// that are not computed yet may be in it; else option_error.
    void check(const data::batch& b, bool may_record = false) const {
        model_->check_images(b.images);
        if (b.heads.size() != head_count)
            throw shape_mismatch("batch", "labels for " + std::to_string(head_count) + " heads", std::to_string(b.heads.size()));
        if (b.size() == 0 || b.size() > static_cast<std::size_t>(capacity_))
            throw shape_mismatch("batch", "1 to " + std::to_string(capacity_) + " samples", std::to_string(b.size()));
        if (b.images.shape()[0] != b.size())
            throw shape_mismatch("batch: images", std::to_string(b.size()) + " samples", std::to_string(b.images.shape()[0]));
        if (!may_record && b.has_changes())
            throw option_error("batch of '" + b.ids.front() + "'", "pixels that are computed", "recorded changes (steps on a device compute them)");
        check_changes(b, b.changes);
        const std::size_t pixels = b.images.size() / b.size();
        for (std::size_t i = 0; i < b.size(); ++i) // one such pixel would ruin the running statistics of every norm
            if (!std::all_of(b.images.data() + i * pixels, b.images.data() + (i + 1) * pixels, [](float v) { return std::isfinite(v); }))
                throw error("image '" + b.ids[i] + "'", "finite values", "NaN or infinity");
        for_each([&](const auto& loss, std::size_t h) {
            const head_info& head = model_->network().heads[h];
            const data::batch::labels& labels = b.heads[h];
            const auto wanted = b.size() * static_cast<std::size_t>(loss.target_shape(model_->network()[head.logits].out).size());
            if (labels.present.size() != b.size() || labels.values.size() != wanted)
                throw shape_mismatch(
                    "batch: labels of head '" + std::string(head.name) + "'", std::to_string(wanted) + " values",
                    std::to_string(labels.values.size()) + " values for " + std::to_string(labels.present.size()) + " samples");
            check_changes(b, labels.changes);
        });
    }

    /// The mean loss of head h over its labelled samples, 0 when there is none; its gradient times `weight` where one is wanted.
    double evaluate(int h, const data::batch& b, tensor_view<T> logits, tensor_view<T> gradient, double weight) const {
        const data::batch::labels& labels = b.heads[static_cast<std::size_t>(h)];
        double result = 0;
        for_each([&](const auto& loss, std::size_t which) {
            if (which != static_cast<std::size_t>(h)) return;
            const tensor_view<const float> target{labels.values.data(), logits.n, loss.target_shape(logits.s)};
            try {
                result = loss.evaluate(tensor_view<const T>(logits), target, std::span<const std::uint8_t>(labels.present), weight,
                                       gradient, loss::workspace{&model_->pool(), {scratch_.data(), scratch_.size()}});
            } catch (const label_error& wrong) { // which knows the sample's place in the batch only
                throw label_error("head '" + std::string(model_->network().heads[which].name) + "', batch that begins with '" +
                                  b.ids.front() + "': " + wrong.what());
            }
        });
        return result;
    }

private:
    static void check_changes(const data::batch& b, const std::vector<data::pixel_changes>& changes) {
        if (!changes.empty() && changes.size() != b.size())
            throw shape_mismatch("batch: recorded changes", "none, or of " + std::to_string(b.size()) + " samples", std::to_string(changes.size()));
    }

    Model* model_;
    int capacity_;
    tuple losses_{};
    mutable aligned_array<double> scratch_;
};

} // namespace umsrep
