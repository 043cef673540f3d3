// How a run's figures come into docs/performance.json beside those of other runs.

/** Of one commit on one machine, shapes of several runs stand side by side. */
function withShapesOf(old, section) {
  if (!old?.shapes || !section.shapes || old.commit !== section.commit) return section;
  const kept = old.shapes.filter(({ shape }) => !section.shapes.some((one) => one.shape === shape));
  return { ...section, shapes: [...kept, ...section.shapes] };
}

/** A file of scripts/bench/gpu/profile_kernels.py joins the section of its machine; each profile says its commit. */
function withProfiles(old, { profiles, commit }) {
  const fresh = profiles.map((profile) => ({ commit, ...profile }));
  const same = (a, b) => a.shape === b.shape && a.tokens === b.tokens;
  const kept = (old.profiles ?? []).filter((one) => !fresh.some((other) => same(one, other)));
  return { ...old, profiles: [...kept, ...fresh] };
}

/**
 * Sections are told apart by what was measured and on which machine; a new run takes the place of an old one. What was
 * written by hand (notes, tried) and the profiles stay: who merges looks whether they still hold.
 * @param {{ sections: object[] }} all docs/performance.json
 * @param {object} section of a run, or the machine and `profiles` without `shapes`.
 * @returns {{ sections: object[] }} a new one.
 * @throws Error when profiles come before the run of their machine.
 */
export function merged(all, section) {
  const old = all.sections.find(({ kind, machine }) => kind === section.kind && machine.name === section.machine.name);
  const others = all.sections.filter((one) => one !== old);
  if (section.shapes || !section.profiles) {
    const { notes, tried, profiles } = old ?? {};
    return { ...all, sections: [...others, { ...withShapesOf(old, section), notes, tried, profiles }] };
  }
  if (!old) throw new Error(`profiles of ${section.machine.name}: merge that machine's run first`);
  return { ...all, sections: [...others, withProfiles(old, section)] };
}
