// How a pixel's hits become a picture, near to far, over floats or over vectors of them, a pixel a lane. No guard, and inside
// the includer's namespace: formulas.h includes it once for floats, csrc/cpu/lanes.h once for each instruction set, so that
// all that touches a vector is compiled for the set that holds it. The includer defines
//   C3D_FORMULA                     what a formula is declared with
//   less(a, b)                      a mask: true where a < b; masks have &
//   select(mask, yes, no)
//   larger(a, b)

// Weights of a hit at q = d^2 / radius_px^2, 0 <= q < 1.
template <typename F>
C3D_FORMULA F alpha_weight(const F& q) {
  return 1.0f - q;
}

// (1 - q)^6 is sharp enough not to blur a picture of unit pixel spacing at radius_px = 1.5 and costs three multiplications.
template <typename F>
C3D_FORMULA F surface_weight(const F& q) {
  const F a = 1.0f - q, a2 = a * a;
  return a2 * a2 * a2;
}

// A cap whose sum is >= 1 everywhere on a unit grid at radius_px = 1.5, also where the grid is stretched by a half, and 0 at
// the next pixel centre beyond the last point of an edge (q = 4/9). From there to the disc's rim a trace remains: it hides
// nothing, but a pixel that only rims reach is not empty.
constexpr float kCap = 1.4f, kCapSlope = 3.15f, kTrace = 0.005f;

template <typename F>
C3D_FORMULA F surface_coverage(const F& q) {
  const F cap = kCap - kCapSlope * q, trace = kTrace - kTrace * q;
  return larger(cap, trace);
}

template <typename F>
C3D_FORMULA F inverse_square(const F& radius_px) {
  return 1.0f / (radius_px * radius_px);
}

// q of a pixel's centre (dx, dy) px away from a disc's, inv_r2 = inverse_square(radius_px). Both passes and both devices
// decide by it whether a disc covers a pixel: one rounding for all.
template <typename F>
C3D_FORMULA F disc_q(const F& dx, const F& dy, float inv_r2) {
  return (dx * dx + dy * dy) * inv_r2;
}

// A hit's share in its pixel, of which `through` is still free: out = sum f_k a_k prod_{j<k} (1 - a_j).
template <typename F, typename Mask>
C3D_FORMULA F composite_alpha(const Mask& hit, const F& q, float opacity, F& through) {
  const F weight = select(hit, alpha_weight(q) * opacity * through, F{});
  through = through - weight;
  return weight;
}

// What a surface hides, and what turns its hits' weights into weights in the pixel.
template <typename F>
struct SurfaceShare {
  F hides, scale;
};

// Hits within depth_tolerance of their surface's first one are averaged and cover together; surfaces are composited front to
// back. For each hit: if it lies beyond the surface, close that and open the next; add it. In the end, close.
// kIsSoft: some hits are not opaque.
template <typename F>
struct SurfaceWalk {
  F through;  // what the surfaces in front let through
  F z_end;    // how deep the current one reaches; 0: there is none yet
  F weight, opaque, cover;  // of its hits so far: sum w, sum w opacity (kIsSoft), sum of caps

  C3D_FORMULA void start() {  // one by one: a walk that is made as a whole is cleared in memory
    through = 1.0f - F{};
    z_end = weight = opaque = cover = F{};
  }

  C3D_FORMULA auto ends_before(const F& z) const { return less(z_end, z); }
  C3D_FORMULA auto has_surface() const { return less(F{}, z_end); }

  C3D_FORMULA F covered() const {
    const F one = 1.0f - F{};
    return select(less(cover, one), cover, one);
  }
  C3D_FORMULA F mean_opacity() const { return select(less(F{}, weight), opaque / weight, 1.0f - F{}); }

  template <bool kIsSoft>
  C3D_FORMULA SurfaceShare<F> share() const {
    const F hides = covered();
    const F scale = select(less(F{}, weight), through * hides / weight, F{});
    if (!kIsSoft) return {hides, scale};
    return {hides * mean_opacity(), scale};
  }

  template <bool kIsSoft, typename Mask>
  C3D_FORMULA void close(const Mask& mask, const SurfaceShare<F>& share) {
    through = select(mask, through * (1.0f - share.hides), through);
    z_end = select(mask, F{}, z_end);
    weight = select(mask, F{}, weight);
    if (kIsSoft) opaque = select(mask, F{}, opaque);
    cover = select(mask, F{}, cover);
  }

  template <typename Mask>
  C3D_FORMULA void open(const Mask& mask, const F& z, float reach) {  // reach: 1 + depth_tolerance
    z_end = select(mask, z * reach, z_end);
  }

  // Returns the hit's weight in its surface.
  template <bool kIsSoft, typename Mask>
  C3D_FORMULA F add(const Mask& hit, const F& q, float opacity) {
    const F own = select(hit, surface_weight(q), F{});
    weight = weight + own;
    cover = cover + select(hit, surface_coverage(q), F{});
    if (!kIsSoft) return own;
    opaque = opaque + own * opacity;
    return own * opacity;
  }

  // The sum of what `add` returned.
  template <bool kIsSoft>
  C3D_FORMULA F sum() const {
    return kIsSoft ? opaque : weight;
  }
};
