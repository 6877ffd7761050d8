// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/backend/cpu/instruction_set.hpp>
#include <umsrep/backend/cpu/layout.hpp>
#include <umsrep/backend/reference/reference.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/core/thread_pool.hpp>
#include <umsrep/graph/op_name.hpp>

// Compiled once, in support/kernels.cpp.
extern template struct umsrep::reference<double>;

/// One operation of the CPU backend against reference<double>: values in blocks or dense, whole or in two parts, read behind norms and
/// ReLUs; gradients that add, that are in two parts, of which one may be unwanted.
namespace umsrep::test {

/// How a value is stored: channels of a second part (0: none), and what is left to its readers, for each part.
struct storing {
    int second = 0;
    bool norm[2] = {false, false}, relu[2] = {false, false};
    bool accumulate[2] = {false, false}, unwanted[2] = {false, false}; ///< of a gradient
};

inline std::vector<shape> shapes_of_parts(shape s, const storing& how) {
    if (how.second == 0) return {s};
    return {{s.c - how.second, s.h, s.w}, {how.second, s.h, s.w}};
}

/// Memory on a boundary of 64 bytes, as executors give it.
template <class T>
struct line_allocator {
    using value_type = T;
    line_allocator() = default;
    template <class U>
    line_allocator(const line_allocator<U>&) {}
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
    void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{64}); }
    friend bool operator==(line_allocator, line_allocator) { return true; }
};
using floats = std::vector<float, line_allocator<float>>;

/// Plain N, C, H, W to what the backend stores; lanes without a channel get 0.
inline floats stored(const std::vector<double>& plain, shape s, int batch) {
    floats result(static_cast<std::size_t>(batch * cpu_ops::stored_elements(s)), 0.0f);
    for (int i = 0; i < batch; ++i)
        for (int c = 0; c < s.c; ++c)
            for (std::ptrdiff_t p = 0; p < s.plane(); ++p) {
                const std::ptrdiff_t at = cpu_ops::stored_dense(s)
                                              ? i * s.size() + c * s.plane() + p
                                              : cpu_ops::block_plane(result.data(), s, i, c / cpu_ops::lanes) - result.data() +
                                                    p * cpu_ops::lanes + c % cpu_ops::lanes;
                result[static_cast<std::size_t>(at)] =
                    static_cast<float>(plain[static_cast<std::size_t>(i * s.size() + c * s.plane() + p)]);
            }
    return result;
}
/// The way back; `clean` is cleared when a lane without a channel is not 0.
inline std::vector<double> plain(const floats& from, shape s, int batch, bool& clean) {
    std::vector<double> result(static_cast<std::size_t>(batch * s.size()));
    const int channels = cpu_ops::stored_dense(s) ? s.c : cpu_ops::blocks_of(s.c) * cpu_ops::lanes;
    for (int i = 0; i < batch; ++i)
        for (int c = 0; c < channels; ++c)
            for (std::ptrdiff_t p = 0; p < s.plane(); ++p) {
                const std::ptrdiff_t at = cpu_ops::stored_dense(s) ? i * s.size() + c * s.plane() + p
                                                                   : cpu_ops::block_plane(from.data(), s, i, c / cpu_ops::lanes) -
                                                                         from.data() + p * cpu_ops::lanes + c % cpu_ops::lanes;
                const float v = from[static_cast<std::size_t>(at)];
                if (c < s.c) result[static_cast<std::size_t>(i * s.size() + c * s.plane() + p)] = static_cast<double>(v);
                else if (v != 0) clean = false;
            }
    return result;
}

/// Multiples of 1/8: sums, scales and maxima of them are exact, and equal ones are frequent.
inline std::vector<double> draw(std::ptrdiff_t size, random_stream& r) {
    std::vector<double> result(static_cast<std::size_t>(size));
    for (double& v : result) v = (static_cast<double>(r.below(65)) - 32) / 8;
    return result;
}

/// A value as stored and as its readers see it.
class stored_value {
public:
    stored_value(shape s, int batch, const storing& how, random_stream& r) : seen(static_cast<std::size_t>(batch * s.size())) {
        const std::vector<shape> shapes = shapes_of_parts(s, how);
        std::ptrdiff_t first = 0;
        for (std::size_t k = 0; k < shapes.size(); ++k) {
            const shape one = shapes[k];
            const std::vector<double> raw = draw(batch * one.size(), r);
            data_.push_back(stored(raw, one, batch));
            states_.emplace_back(static_cast<std::size_t>(cpu_ops::norm_state_size(one.c)), 0.0f);
            const cpu_ops::norm_state<float> state(states_.back().data(), one.c);
            for (int c = 0; c < one.c; ++c) {
                constexpr float scales[] = {0.5f, 1, -1, 2, -0.5f};
                state.mean[c] = std::numeric_limits<float>::quiet_NaN(); // not what readers need
                state.scale[c] = how.norm[k] ? scales[r.below(5)] : 1;
                state.shift[c] = how.norm[k] ? static_cast<float>(r.below(9)) / 8 - 0.5f : 0;
            }
            for (int i = 0; i < batch; ++i)
                for (std::ptrdiff_t e = 0; e < one.size(); ++e) {
                    const std::ptrdiff_t c = e / one.plane();
                    double v = raw[static_cast<std::size_t>(i * one.size() + e)] * static_cast<double>(state.scale[c]) +
                               static_cast<double>(state.shift[c]);
                    if (how.relu[k] && v < 0) v = 0;
                    seen[static_cast<std::size_t>(i * s.size() + first + e)] = v;
                }
            first += one.size();
        }
        value.count = static_cast<int>(shapes.size());
        for (int k = 0; k < value.count; ++k) {
            const std::size_t i = static_cast<std::size_t>(k);
            value[k] = {data_[i].data(), shapes[i], how.norm[i] ? states_[i].data() : nullptr, how.relu[i], false};
        }
    }
    stored_value(const stored_value&) = delete;
    stored_value& operator=(const stored_value&) = delete;

    /// Puts a number where a reader sees it.
    void set(std::size_t element, double v, shape s, int batch) {
        seen[element] = v;
        data_[0] = stored(seen, s, batch);
        value[0].data = data_[0].data();
    }

    std::vector<double> seen;
    parts<const float> value;

private:
    std::vector<floats> data_, states_;
};

/// Where a gradient goes: NaN where it is overwritten, numbers where it adds.
class stored_gradient {
public:
    stored_gradient(shape s, int batch, const storing& how, random_stream& r)
        : s_{s}, batch_{batch}, how_{how}, shapes_{shapes_of_parts(s, how)} {
        sink.count = static_cast<int>(shapes_.size());
        data_.resize(shapes_.size());
        for (std::size_t k = 0; k < shapes_.size(); ++k) {
            sink[static_cast<int>(k)].s = shapes_[k];
            before_.push_back(draw(batch * shapes_[k].size(), r));
            if (how.unwanted[k]) continue;
            data_[k] = stored(before_[k], shapes_[k], batch);
            if (!how.accumulate[k]) std::fill(data_[k].begin(), data_[k].end(), std::numeric_limits<float>::quiet_NaN());
            sink[static_cast<int>(k)].data = data_[k].data();
            sink[static_cast<int>(k)].accumulate = how.accumulate[k];
        }
    }
    stored_gradient(const stored_gradient&) = delete;
    stored_gradient& operator=(const stored_gradient&) = delete;

    /// Largest distance from `expected`, plain, plus what was there before where it adds, in rms of the sum; infinite where a lane
    /// without a channel is not 0.
    double error(const std::vector<double>& expected) const {
        double squares = 0, worst = 0, count = 1e-30;
        std::ptrdiff_t first = 0;
        for (std::size_t k = 0; k < shapes_.size(); ++k) {
            const shape one = shapes_[k];
            if (!how_.unwanted[k]) {
                bool clean = true;
                const std::vector<double> got = plain(data_[k], one, batch_, clean);
                if (!clean) return std::numeric_limits<double>::infinity();
                for (int i = 0; i < batch_; ++i)
                    for (std::ptrdiff_t e = 0; e < one.size(); ++e) {
                        const std::size_t at = static_cast<std::size_t>(i * one.size() + e);
                        const double wanted = expected[static_cast<std::size_t>(i * s_.size() + first + e)] +
                                              (how_.accumulate[k] ? before_[k][at] : 0);
                        const double distance = std::abs(got[at] - wanted);
                        if (std::isnan(got[at]) && std::isnan(wanted)) continue;
                        if (std::isnan(distance)) return distance;
                        worst = std::max(worst, distance);
                        squares += wanted * wanted;
                        ++count;
                    }
            }
            first += one.size();
        }
        return worst / std::max(std::sqrt(squares / count), 1e-30);
    }
    const std::vector<floats>& bits() const { return data_; }

    parts<float> sink;

private:
    shape s_;
    int batch_;
    storing how_;
    std::vector<shape> shapes_;
    std::vector<std::vector<double>> before_;
    std::vector<floats> data_;
};

using row_operation = std::function<void(const cpu_ops::kernel_table&, const operands<float>&)>;

/// A node with everything that forward and backward of it read and write.
struct row_case {
    node n{};
    int batch = 1;
    storing in[2]{};   ///< of the inputs; input 1 exists where the node has one
    shape second{};    ///< of input 1
    storing kept{};    ///< how backward finds the result
    storing sink[2]{}; ///< of the gradients
    floats weight{}, bias{};
    std::ptrdiff_t workspace = 0;
    const random_stream* random = nullptr;             ///< of a dropout
    bool by_result = false;                            ///< backward reads the result: what it finds is drawn, not computed
    std::vector<std::pair<std::size_t, double>> set{}; ///< elements of input 0
};

inline std::vector<std::string_view> instruction_sets() {
    std::vector<std::string_view> result;
    for (const std::string_view name : {"portable", "avx2", "avx512"})
        if (cpu_ops::find_kernels(name) != nullptr) result.push_back(name);
    return result;
}

inline std::string text_of(const row_case& c) {
    std::ostringstream text;
    text << umsrep::name(c.n.kind) << " of " << c.batch << " x " << c.n.in.c << " x " << c.n.in.h << " x " << c.n.in.w << " to "
         << c.n.out.c << " x " << c.n.out.h << " x " << c.n.out.w << ", kernel " << c.n.a.kernel.h << " x " << c.n.a.kernel.w
         << ", stride " << c.n.a.stride.h << " x " << c.n.a.stride.w << ", padding " << c.n.a.padding.h << " x "
         << c.n.a.padding.w << ", dilation " << c.n.a.dilation.h << " x " << c.n.a.dilation.w << "; second parts of "
         << c.in[0].second << " and " << c.in[1].second << ", norms " << c.in[0].norm[0] << c.in[0].norm[1] << c.in[1].norm[0]
         << c.in[1].norm[1];
    return text.str();
}

/// What reference<double> makes of a case.
struct row_results {
    std::vector<double> out, in[2], weight, bias;
};

struct row_errors {
    double out = 0, in[2] = {0, 0}, weight = 0, bias = 0;
};

/// Runs a case forward and backward; the same draws for every call with equal streams.
class row_run {
public:
    row_run(const row_case& c, random_stream r)
        : c_{c},
          x_(c.n.in, c.batch, c.in[0], r),
          y_(two() ? c.second : shape{1, 1, 1}, c.batch, c.in[1], r),
          kept_(c.n.out, c.batch, c.kept, r),
          out_(c.n.out, c.batch, {}, r),
          dx_(c.n.in, c.batch, c.sink[0], r),
          dy_(two() ? c.second : shape{1, 1, 1}, c.batch, c.sink[1], r),
          gradient_(draw(c.batch * c.n.out.size(), r)) {
        for (const auto& [element, v] : c.set) x_.set(element, v, c.n.in, c.batch);
        gradient_stored_ = stored(gradient_, c.n.out, c.batch);
        grad_weight_.assign(c.weight.size(), std::numeric_limits<float>::quiet_NaN());
        grad_bias_.assign(c.bias.size(), std::numeric_limits<float>::quiet_NaN());
        workspace_.assign(static_cast<std::size_t>(c.workspace) + 16, std::numeric_limits<float>::quiet_NaN());
    }

    void run(const cpu_ops::kernel_table& k, thread_pool& pool, const row_operation& forward, const row_operation& backward) {
        operands<float> o;
        o.n = &c_.n;
        o.pool = &pool;
        o.workspace = workspace_.data();
        o.training = c_.random != nullptr;
        o.random = c_.random;
        o.weight = c_.weight.empty() ? nullptr : c_.weight.data();
        o.bias = c_.bias.empty() ? nullptr : c_.bias.data();
        o.sources[0] = x_.value;
        o.in[0] = {nullptr, c_.batch, c_.n.in};
        if (two()) {
            o.sources[1] = y_.value;
            o.in[1] = {nullptr, c_.batch, c_.second};
        }
        o.out = {out_.sink[0].data, c_.batch, c_.n.out};
        forward(k, o);
        o.out.data = nullptr; // backward knows the result by `result`
        o.result = kept_.value;
        o.grad_out = {gradient_stored_.data(), c_.batch, c_.n.out};
        o.sinks[0] = dx_.sink;
        if (two()) o.sinks[1] = dy_.sink;
        o.grad_weight = grad_weight_.empty() ? nullptr : grad_weight_.data();
        o.grad_bias = grad_bias_.empty() ? nullptr : grad_bias_.data();
        backward(k, o);
    }

    row_results expected() const {
        row_results e{std::vector<double>(gradient_.size()),
                      {std::vector<double>(x_.seen.size()), std::vector<double>(y_.seen.size())},
                      std::vector<double>(c_.weight.size()),
                      std::vector<double>(c_.bias.size())};
        std::vector<double> x = x_.seen, y = y_.seen, kept = kept_.seen, gradient = gradient_;
        const std::vector<double> weight(c_.weight.begin(), c_.weight.end()), bias(c_.bias.begin(), c_.bias.end());
        std::vector<double> workspace(static_cast<std::size_t>(reference<double>::workspace_size(c_.n, c_.batch, 1, true)));
        operands<double> o;
        o.n = &c_.n;
        o.workspace = workspace.data();
        o.training = c_.random != nullptr;
        o.random = c_.random;
        o.weight = weight.empty() ? nullptr : weight.data();
        o.bias = bias.empty() ? nullptr : bias.data();
        o.in[0] = {x.data(), c_.batch, c_.n.in};
        if (two()) o.in[1] = {y.data(), c_.batch, c_.second};
        o.out = {e.out.data(), c_.batch, c_.n.out};
        reference<double>::forward(o);
        if (c_.by_result) o.out.data = kept.data();
        o.grad_out = {gradient.data(), c_.batch, c_.n.out};
        o.grad_in[0] = {e.in[0].data(), c_.batch, c_.n.in};
        if (two()) o.grad_in[1] = {e.in[1].data(), c_.batch, c_.second};
        o.grad_weight = weight.empty() ? nullptr : e.weight.data();
        o.grad_bias = bias.empty() ? nullptr : e.bias.data();
        reference<double>::backward(o);
        return e;
    }

    row_errors errors(const row_results& expected) const {
        row_errors e;
        e.out = out_.error(expected.out);
        e.in[0] = dx_.error(expected.in[0]);
        if (two()) e.in[1] = dy_.error(expected.in[1]);
        e.weight = distance(grad_weight_, expected.weight);
        e.bias = distance(grad_bias_, expected.bias);
        return e;
    }

    bool same_bits(const row_run& other) const {
        const auto equal = [](const floats& a, const floats& b) {
            return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
        };
        for (const auto& [mine, theirs] :
             {std::pair{&out_, &other.out_}, std::pair{&dx_, &other.dx_}, std::pair{&dy_, &other.dy_}})
            for (std::size_t k = 0; k < mine->bits().size(); ++k)
                if (!equal(mine->bits()[k], theirs->bits()[k])) return false;
        return equal(grad_weight_, other.grad_weight_) && equal(grad_bias_, other.grad_bias_);
    }

    /// Whether nothing behind the promised workspace was written.
    bool workspace_kept() const {
        return std::all_of(workspace_.end() - 16, workspace_.end(), [](float v) { return std::isnan(v); });
    }

private:
    bool two() const { return c_.second.c > 0; }
    static double distance(const floats& got, const std::vector<double>& expected) {
        double squares = 0, worst = 0;
        for (const double e : expected) squares += e * e;
        for (std::size_t i = 0; i < got.size(); ++i) {
            const double d = std::abs(static_cast<double>(got[i]) - expected[i]);
            if (!(d <= worst)) worst = d;
            if (std::isnan(worst)) return worst;
        }
        return got.empty() ? 0 : worst / std::max(std::sqrt(squares / static_cast<double>(got.size())), 1e-30);
    }

    row_case c_;
    stored_value x_, y_, kept_;
    stored_gradient out_, dx_, dy_;
    std::vector<double> gradient_;
    floats gradient_stored_, grad_weight_, grad_bias_, workspace_;
};

} // namespace umsrep::test
