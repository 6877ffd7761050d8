// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/compute.hpp>
#include <umsrep/data/sample.hpp>

namespace umsrep::data {

/// Samples by number. `get` is const and called from several threads at once; whatever is random about a sample it draws from the
/// stream that comes with the call, so that the data do not depend on which thread asks, or when.
template <class D>
concept dataset = requires(const D& d, std::size_t index, random_stream& random) {
    { d.size() } -> std::convertible_to<std::size_t>;
    { d.get(index, random) } -> std::same_as<sample>;
};

/// Changes a sample in place, reproducibly from the stream: `void operator()(sample&, random_stream&) const`.
template <class T>
concept transform = requires(const T& t, sample& s, random_stream& random) {
    t(s, random);
};

/// A transform that only records what it does to pixels where the sample `records`, and minds what is recorded already. It says so by
/// `static constexpr bool records = true`. Before any other transform, what was recorded is computed.
template <class T>
concept recording_transform = transform<T> && requires {
    requires T::records;
};

/// A dataset that can leave changes of pixels recorded; `compute(sample)` makes of it the sample of `get`, to the bit.
template <class D>
concept recording_dataset = dataset<D> && requires(const D& d, std::size_t index, random_stream& random) {
    { d.get_recorded(index, random) } -> std::same_as<sample>;
};

/// Sample `index`, with changes that are recorded where the dataset can.
template <dataset D>
sample get_recorded(const D& d, std::size_t index, random_stream& random) {
    if constexpr (recording_dataset<D>) return d.get_recorded(index, random);
    else return d.get(index, random);
}

/// Any dataset behind one type; copies share it.
class any_dataset {
public:
    template <dataset D>
        requires(!std::same_as<D, any_dataset>)
    any_dataset(D d) : held_{std::make_shared<const holder<D>>(std::move(d))} {}

    std::size_t size() const { return held_->size(); }
    sample get(std::size_t index, random_stream& random) const { return held_->get(index, random); }
    sample get_recorded(std::size_t index, random_stream& random) const { return held_->get_recorded(index, random); }

private:
    struct interface {
        interface() = default;
        interface(const interface&) = delete;
        interface& operator=(const interface&) = delete;
        virtual ~interface() = default;
        virtual std::size_t size() const = 0;
        virtual sample get(std::size_t index, random_stream& random) const = 0;
        virtual sample get_recorded(std::size_t index, random_stream& random) const = 0;
    };
    template <class D>
    struct holder final : interface {
        explicit holder(D d) : held{std::move(d)} {}
        std::size_t size() const override { return held.size(); }
        sample get(std::size_t index, random_stream& random) const override { return held.get(index, random); }
        sample get_recorded(std::size_t index, random_stream& random) const override {
            return data::get_recorded(held, index, random);
        }
        D held;
    };
    std::shared_ptr<const interface> held_;
};

/// Samples that are already there.
class sample_list {
public:
    explicit sample_list(std::vector<sample> samples) : samples_{std::move(samples)} {}
    std::size_t size() const { return samples_.size(); }
    sample get(std::size_t index, random_stream&) const { return samples_.at(index); }

private:
    std::vector<sample> samples_;
};

/// A dataset whose samples pass through the transforms from left to right: `transformed(set, resize{128, 128}, flip{})`.
template <dataset D, transform... T>
class transformed {
public:
    explicit transformed(D base, T... transforms) : base_{std::move(base)}, transforms_{std::move(transforms)...} {}
    std::size_t size() const { return base_.size(); }
    sample get(std::size_t index, random_stream& random) const {
        sample s = base_.get(index, random);
        std::apply([&](const T&... t) { (t(s, random), ...); }, transforms_);
        return s;
    }
    sample get_recorded(std::size_t index, random_stream& random) const {
        sample s = data::get_recorded(base_, index, random);
        const auto apply = [&](const transform auto& t) {
            s.records = recording_transform<std::remove_cvref_t<decltype(t)>>;
            if (!s.records) compute(s); // and what t itself uses of the library's transforms is computed at once
            t(s, random);
        };
        std::apply([&](const T&... t) { (apply(t), ...); }, transforms_);
        s.records = true;
        return s;
    }

private:
    D base_;
    std::tuple<T...> transforms_;
};

/// Some samples of a dataset, in this order. Throws option_error when an index is out of range.
template <dataset D>
class subset {
public:
    subset(D base, std::vector<std::size_t> indices) : base_{std::move(base)}, indices_{std::move(indices)} {
        for (const std::size_t i : indices_) {
            if (i >= base_.size()) {
                throw option_error("subset", "indices below " + std::to_string(base_.size()), std::to_string(i));
            }
        }
    }
    std::size_t size() const { return indices_.size(); }
    sample get(std::size_t index, random_stream& random) const { return base_.get(indices_.at(index), random); }
    sample get_recorded(std::size_t index, random_stream& random) const {
        return data::get_recorded(base_, indices_.at(index), random);
    }

private:
    D base_;
    std::vector<std::size_t> indices_;
};

/// The samples of several datasets, one dataset after the other.
class concatenation {
public:
    explicit concatenation(std::vector<any_dataset> parts) : parts_{std::move(parts)} {
        for (const any_dataset& part : parts_) ends_.push_back(size() + part.size());
    }
    std::size_t size() const { return ends_.empty() ? 0 : ends_.back(); }
    sample get(std::size_t index, random_stream& random) const {
        const auto [part, place] = find(index);
        return parts_[part].get(place, random);
    }
    sample get_recorded(std::size_t index, random_stream& random) const {
        const auto [part, place] = find(index);
        return parts_[part].get_recorded(place, random);
    }

private:
    std::pair<std::size_t, std::size_t> find(std::size_t index) const {
        if (index >= size())
            throw option_error("concatenation", "an index below " + std::to_string(size()), std::to_string(index));
        const auto part = static_cast<std::size_t>(std::ranges::upper_bound(ends_, index) - ends_.begin());
        return {part, index - (ends_[part] - parts_[part].size())};
    }

    std::vector<any_dataset> parts_;
    std::vector<std::size_t> ends_;
};

} // namespace umsrep::data
