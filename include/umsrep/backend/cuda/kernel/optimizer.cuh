// SPDX-License-Identifier: MIT
#pragma once

#include <umsrep/backend/cuda/kernel/view.cuh>

/// One step of an optimiser over all parameters, in three launches: gradient_squares, prepare_step, and adam or sgd. Parameters and
/// moments are floats; gradients may be of another type (G), and so may a copy of the parameters that layers read (C).
namespace umsrep::cuda::kernel {

/// A stretch of one tensor. Tensors are cut into chunks of chunk_length elements, a table of them in device memory.
struct chunk {
    float* w;
    const void* g;     ///< G
    float *m, *v;      ///< moments; v is adam's only
    void* copy;        ///< C, or null
    u32 count;         ///< elements, 1 to chunk_length
    float lr_scale;    ///< of the tensor's parameter group
    float decay_scale; ///< 0 for norms and biases
};
inline constexpr u32 chunk_length = 4096;

/// What a run keeps in device memory from step to step, and what it knows of the last one.
struct step_state {
    double lr;             ///< of the next step; the host or a schedule writes it
    u64 step;              ///< steps made
    float loss_scale;      ///< what the gradients were multiplied with: a power of two in fp16, else 1
    u32 steps_since_scale; ///< since loss_scale was changed
    double gradient_norm;  ///< of the last step, before clipping, without the loss scale
    float gradient_factor; ///< what the gradients are multiplied with: clipping over the loss scale
    float rate, spread;    ///< adam's lr / (1 - beta1^t) and 1 / sqrt(1 - beta2^t)
    u32 skip;              ///< 1: a gradient was not finite, nothing moves
    u64 skipped;           ///< steps so far
};

/// The sum of squares of each chunk's gradient, by `reduce`.
template <class G>
struct gradient_squares {
    u32 chunks;
    const chunk* table;
    double* to;

    struct sums {
        double squares;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return chunks; }
    UMSREP_DEVICE u32 length() const { return chunk_length; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32 i, u32 term) const {
        if (term >= table[i].count) return;
        const double g = static_cast<double>(to_float(static_cast<const G*>(table[i].g)[term]));
        s.squares += g * g;
    }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.squares += from.squares; }
    UMSREP_DEVICE void finish(u32 i, const sums& all) const { to[i] = all.squares; }
};

/// The norm of all gradients and what follows from it, by `reduce`: whether they are finite, how they are clipped (factor
/// max_norm / (norm + 1e-6), as optim::clip_by_norm), the step's number and rates, the next loss scale. The loss scale halves when a
/// gradient was not finite and doubles after `growth_interval` good steps (Micikevicius et al., "Mixed precision training", ICLR 2018).
struct prepare_step {
    u32 chunks;
    const double* squares;
    double max_norm;     ///< 0: no clipping
    double beta1, beta2; ///< adam's; 0 without
    u32 growth_interval; ///< 0: the loss scale stays
    step_state* state;

    struct sums {
        double squares;
    };
    static constexpr bool applies = false;
    UMSREP_DEVICE long long outputs() const { return 1; }
    UMSREP_DEVICE u32 length() const { return chunks; }
    UMSREP_DEVICE u32 neighbours() const { return 1; }
    UMSREP_DEVICE void add(sums& s, u32, u32 i) const { s.squares += squares[i]; }
    UMSREP_DEVICE static void merge(sums& to, const sums& from) { to.squares += from.squares; }
    UMSREP_DEVICE void finish(u32, const sums& all) const {
        step_state& s = *state;
        const double scale = static_cast<double>(s.loss_scale);
        s.gradient_norm = ::sqrt(all.squares) / scale;
        s.skip = s.gradient_norm - s.gradient_norm == 0 ? 0 : 1;
        if (s.skip != 0) {
            ++s.skipped;
            if (growth_interval != 0) s.loss_scale *= 0.5f;
            s.steps_since_scale = 0;
            return;
        }
        const double clip = max_norm > 0 ? least(max_norm / (s.gradient_norm + 1e-6), 1.0) : 1.0;
        s.gradient_factor = static_cast<float>(clip / scale);
        ++s.step;
        const double count = static_cast<double>(s.step);
        s.rate = static_cast<float>(s.lr / (1 - ::pow(beta1, count)));
        s.spread = static_cast<float>(1 / ::sqrt(1 - ::pow(beta2, count)));
        if (growth_interval != 0 && ++s.steps_since_scale == growth_interval) {
            s.loss_scale *= 2;
            s.steps_since_scale = 0;
        }
    }
};

/// One step of Adam (Kingma & Ba, ICLR 2015) or AdamW (Loshchilov & Hutter, ICLR 2019), by `map`, as optim::adam and optim::adamw.
template <class G, class C>
struct adam {
    u32 chunks;
    const chunk* table;
    const step_state* state;
    float beta1, beta2, epsilon;
    float weight_decay;
    bool decoupled; ///< AdamW

    UMSREP_DEVICE long long count() const { return static_cast<long long>(chunks) * chunk_length; }
    UMSREP_DEVICE void operator()(u32 task) const {
        const chunk& c = table[task / chunk_length];
        const u32 i = task % chunk_length;
        if (i >= c.count || state->skip != 0) return;
        const float decay = weight_decay * c.decay_scale;
        const float w = c.w[i], g = to_float(static_cast<const G*>(c.g)[i]) * state->gradient_factor;
        const float d = decoupled ? g : g + decay * w;
        const float m = c.m[i] + (1 - beta1) * (d - c.m[i]);
        const float v = beta2 * c.v[i] + (1 - beta2) * d * d;
        const float kept = decoupled ? 1 - static_cast<float>(state->lr) * c.lr_scale * decay : 1;
        const float next = kept * w - state->rate * c.lr_scale * m / (::sqrtf(v) * state->spread + epsilon);
        c.m[i] = m;
        c.v[i] = v;
        c.w[i] = next;
        if (c.copy != nullptr) static_cast<C*>(c.copy)[i] = number<C>::from(next);
    }
};

/// One step of stochastic gradient descent with momentum, by `map`, as optim::sgd.
template <class G, class C>
struct sgd {
    u32 chunks;
    const chunk* table;
    const step_state* state;
    float momentum;
    bool nesterov;
    float weight_decay;

    UMSREP_DEVICE long long count() const { return static_cast<long long>(chunks) * chunk_length; }
    UMSREP_DEVICE void operator()(u32 task) const {
        const chunk& c = table[task / chunk_length];
        const u32 i = task % chunk_length;
        if (i >= c.count || state->skip != 0) return;
        const float w = c.w[i];
        const float d = to_float(static_cast<const G*>(c.g)[i]) * state->gradient_factor + weight_decay * c.decay_scale * w;
        const float b = momentum * c.m[i] + d;
        const float next = w - static_cast<float>(state->lr) * c.lr_scale * (nesterov ? d + momentum * b : b);
        c.m[i] = b;
        c.w[i] = next;
        if (c.copy != nullptr) static_cast<C*>(c.copy)[i] = number<C>::from(next);
    }
};

/// average += gain (w - average) over `size` floats, by `map`: optim::ema, the gain in device memory.
struct move_average {
    u32 size;
    const float *w, *gain;
    float* average;

    UMSREP_DEVICE long long count() const { return size; }
    UMSREP_DEVICE void operator()(u32 i) const { average[i] = *gain == 1 ? w[i] : average[i] + *gain * (w[i] - average[i]); }
};

} // namespace umsrep::cuda::kernel
