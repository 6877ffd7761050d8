// SPDX-License-Identifier: MIT
// Pre-training by something that is no source task: a transform without a head.
// expect(GNU): requires  source_task<Source>
// expect(Clang): does not satisfy 'source_task'
#include <umsrep/train/pretrain.hpp>

using namespace umsrep;

#ifdef KO
using task = data::gaussian_noise;
#else
using task = source::denoising<>;
#endif

struct small : encoder<image<1, 64, 64>, stage<"e1", conv<8, 3>>> {};
using net = pretraining<small, task>;
static_assert(parameters<net> > 0);
