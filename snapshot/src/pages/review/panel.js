// ---- thresholds to try, with histograms that say what they would drop -------------------------------------
const STATES = { lost: 'would be dropped', won: 'would be kept', open: 'would be measured' };
const BINS = 44, TALL_PX = 34;
const sliders = [
  { rule: 'watermark.max_score', label: 'watermark', over: true, max: 1, score: photo => photo.scores.watermark },
  { rule: 'faces.min_score', label: 'surest face', max: 1, score: photo => photo.scores.face },
  { rule: 'people.min_score', label: 'surest person', max: 1, score: photo => photo.scores.person },
  { rule: 'people.min_score_with_face', label: 'surest person, with a face', max: 1,
    score: photo => photo.scores.person },
  { rule: 'min_side', label: 'shorter side, px', step: 10,
    score: photo => photo.width && Math.min(photo.width, photo.height) },
  ...(lookUp(data.rules, 'identity.min_similarity') > -1
    ? [{ rule: 'identity.min_similarity', label: 'like the others’ faces', max: 1,
      score: photo => photo.scores.similarity }] : []),
  { rule: 'sharpness', label: 'sharpness (no rule)', step: 1, score: photo => photo.scores.sharpness },
];
for (const slider of sliders) {
  slider.at = slider.value = lookUp(data.rules, slider.rule) ?? 0;
  slider.step ??= .01;
  // Without the highest hundredth: one huge photo would press all others against the left edge.
  const scores = photos.map(slider.score).filter(score => score != null).sort((a, b) => a - b);
  slider.max ??= Math.max(2 * slider.at, scores[Math.floor(scores.length * .99)] ?? 0, slider.step);
}

const moved = () => sliders.filter(slider => slider.value !== slider.at);
const changesOf = sliders => Object.fromEntries(sliders.map(slider => [slider.rule, slider.value]));
let limits = limitsOfSites({}), now = before; // thresholds and reasons as they are on the page
const isKept = photo => now[photo.number].length === 0;

// What became of a photo by sliders, or by too few photos being left of a person.
function difference(photo, now) {
  const [old, reasons] = [before[photo.number], now[photo.number]];
  if (decisionOf(photo) !== undefined) return '';
  if (!old.length) return reasons.length ? 'lost' : '';
  return !reasons.length ? 'won' : reasons[0] === 'not_measured' && old[0] !== 'not_measured' ? 'open' : '';
}
let states = photos.map(() => '');
const stateOf = photo => states[photo.number];

function countStates(now) {
  const counts = { lost: 0, won: 0, open: 0, '': 0 };
  for (const photo of photos) counts[difference(photo, now)]++;
  return counts;
}

function effect({ lost, won, open }) {
  const part = (count, name, words) => count ? [make('span', { className: name, textContent: `${count} ${words}` })] : [];
  const parts = [...part(lost, 'lost', 'would drop'), ...part(won, 'won', 'would stay'),
    ...part(open, 'open', 'to measure first')];
  return parts.length ? parts.flatMap((part, i) => i ? [', ', part] : [part]) : ['changes nothing'];
}

function makeSlider(slider) {
  slider.bars = ['k', 'l', 'd'].map(name =>
    Array.from({ length: BINS }, (_, bin) => svg('rect', { class: name, x: bin + .08, width: .84 })));
  slider.line = svg('line', { class: 't', y1: 0, y2: TALL_PX, 'vector-effect': 'non-scaling-stroke' });
  slider.said = make('output');
  slider.effect = make('p');
  const oninput = () => {
    // A range rounds to its steps; where it stands as at first, the rule itself holds.
    slider.value = slider.input.value === slider.first ? slider.at : +slider.input.value;
    refresh();
  };
  const { max, step, at: value } = slider;
  slider.input = make('input', { type: 'range', min: 0, max, step, value, oninput });
  slider.first = slider.input.value;
  const picture = svg('svg', { viewBox: `0 0 ${BINS} ${TALL_PX}`, preserveAspectRatio: 'none' });
  picture.append(...slider.bars.flat(), slider.line);
  return make('div', { className: 'slider', title: slider.rule },
    make('label', {}, slider.label, slider.said), picture, slider.input, slider.effect);
}

function drawBars(slider) {
  const counts = [0, 1, 2].map(() => new Array(BINS).fill(0)); // kept, would drop, dropped
  for (const photo of photos) {
    const score = slider.score(photo);
    if (score == null) continue;
    const bin = Math.max(0, Math.min(BINS - 1, Math.floor(score / slider.max * BINS)));
    counts[isKept(photo) ? 0 : stateOf(photo) === 'lost' ? 1 : 2][bin]++;
  }
  // The root keeps bars of a few photos visible beside those of many.
  const all = counts[0].map((_, bin) => counts[0][bin] + counts[1][bin] + counts[2][bin]);
  const most = Math.sqrt(Math.max(1, ...all));
  for (let bin = 0; bin < BINS; bin++) {
    let y = TALL_PX;
    slider.bars.forEach((bars, kind) => {
      const height = all[bin] ? (TALL_PX - 1) * Math.sqrt(all[bin]) / most * counts[kind][bin] / all[bin] : 0;
      bars[bin].setAttribute('y', y -= height);
      bars[bin].setAttribute('height', height);
    });
  }
}

function showSlider(slider) {
  const share = Math.min(1, slider.value / slider.max) * BINS, isMoved = slider.value !== slider.at;
  slider.line.setAttribute('x1', share);
  slider.line.setAttribute('x2', share);
  const shortly = number => +(+number).toFixed(3);
  slider.said.textContent =
    `${slider.over ? '≤' : '≥'} ${shortly(slider.value)}${isMoved ? ` (${shortly(slider.at)})` : ''}`;
  slider.effect.replaceChildren(...(isMoved ? effect(countStates(judge(changesOf([slider]), decisionOf))) : []));
  drawBars(slider);
}

// ---- filters and totals -----------------------------------------------------------------------------------
function showFilters() {
  const counts = new Map([['kept', 0], ['dropped', 0], ...Object.values(STATES).map(name => [name, 0]), ['by hand', 0]]);
  const always = counts.size;
  for (const photo of photos) for (const name of classes(photo)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const names = [...counts.keys()], ofReasons = names.slice(always).sort((a, b) => counts.get(b) - counts.get(a));
  const chip = name => make('button', { className: wanted.has(name) ? 'on' : '', onclick: () => {
    if (!wanted.delete(name)) wanted.add(name);
    refreshNow();
    layOut();
  } }, name.replaceAll('_', ' ') + ' ', make('b', { textContent: counts.get(name) }));
  const isWorthShowing = name => counts.get(name) || wanted.has(name) || name === 'kept' || name === 'dropped';
  byId('filters').replaceChildren(...[...names.slice(0, always), ...ofReasons].filter(isWorthShowing).map(chip));
}

let pending = false;
function refresh() { // once per frame, however many events come
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; refreshNow(); });
}

function refreshNow() {
  const changes = changesOf(moved()), hadLimits = JSON.stringify([...limits]);
  limits = limitsOfSites(changes);
  now = judge(changes, decisionOf);
  states = photos.map(photo => difference(photo, now));
  showFilters();
  sliders.forEach(showSlider);
  byId('effect').replaceChildren(...(moved().length > 1 ? ['Together: ', ...effect(countStates(now))] : []));
  const rules = moved().filter(slider => lookUp(data.rules, slider.rule) !== undefined)
    .map(({ rule, value }) => `--set rules.${rule}=${value}`);
  byId('command').textContent = rules.length ? ['bolid judge --dry-run', ...rules].join(' ') : '';
  byId('reset').disabled = !moved().length;
  byId('decided').textContent =
    decisions.size ? `${decisions.size} decided${unsaved ? ', not saved yet' : ', saved'}` : '';
  byId('save').disabled = !decisions.size;
  const kept = photos.filter(isKept).length;
  byId('totals').textContent =
    `${identities.length} people, ${photos.length} photos: ${kept} kept, ${photos.length - kept} dropped`;
  // Which photos would be dropped or kept follows from the sliders; other filters wait for the next choice, so that a
  // photo that is just decided stays in its place.
  const isStale = () => shown.length !== photos.filter(isShown).length || !shown.every(isShown);
  if (Object.values(STATES).some(name => wanted.has(name)) && isStale()) layOut();
  else for (const photo of cardOf.keys()) dress(photo);
  document.querySelectorAll('.person').forEach(tally);
  if (JSON.stringify([...limits]) !== hadLimits) drawAll(); // other boxes count
  if (here && byId('one').open) look(here);
}

const drawAll = () => { for (const [photo, node] of cardOf) draw(node.querySelector('canvas'), photo); };
