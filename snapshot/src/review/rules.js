'use strict';
// The page's data: see `review.rs`. Everything below is drawn from it; nothing is loaded.
const data = JSON.parse(document.getElementById('data').textContent);
const photos = data.photos, limbs = data.limbs;
const byId = id => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
};

// ---- thresholds -------------------------------------------------------------------------------------------------------
// `over`: a photo is dropped for the reason when its score is over the threshold, otherwise when it is under it.
const sliders = data.sliders.map(slider => ({ ...slider, value: slider.at }));
const fails = (slider, value, score) => score != null && (slider.over ? score > value : score < value);

// What the sliders would make of a photo: 'lost', 'won' or nothing.
function change(photo) {
  if (decisions.has(photo)) return '';
  const moved = sliders.filter(slider => slider.value !== slider.at);
  if (!moved.length) return '';
  if (photo.keep) return moved.some(slider => fails(slider, slider.value, photo.scores[slider.name])) ? 'lost' : '';
  const open = photo.reasons.filter(([name]) => {
    const slider = moved.find(slider => slider.reason === name);
    return !slider || fails(slider, slider.value, photo.scores[slider.name]);
  });
  return open.length === 0 ? 'won' : '';
}

// ---- decisions --------------------------------------------------------------------------------------------------------
const decisions = new Map(); // photo → true (keep), false (drop), null (take an earlier decision back)
let unsaved = false;
const isKept = photo => decisions.get(photo) ?? photo.keep;

function decide(photo, keep) {
  if (!photo || !photo.sha256) return;
  if (keep === null && !photo.decided) decisions.delete(photo); else decisions.set(photo, keep);
  unsaved = true;
  refresh();
}

const asLines = () => [...decisions].map(([photo, keep]) =>
  JSON.stringify({ identity: data.identities[photo.identity], sha256: photo.sha256, keep }) + '\n').join('');

function save() {
  const link = make('a', { href: URL.createObjectURL(new Blob([asLines()], { type: 'application/jsonl' })), download: data.name + '-decisions.jsonl' });
  link.click();
  URL.revokeObjectURL(link.href);
  unsaved = false;
  refresh();
}
addEventListener('beforeunload', event => { if (unsaved) event.preventDefault(); });

// ---- which photos are shown -------------------------------------------------------------------------------------------
const wanted = new Set(); // names of reasons, 'kept', 'dropped', 'changed', 'by hand'; empty: all
let search = '';
const classes = photo => [
  isKept(photo) ? 'kept' : 'dropped', ...photo.reasons.map(([name]) => name),
  ...(change(photo) ? ['changed'] : []), ...(decisions.has(photo) || photo.decided ? ['by hand'] : []),
];
const isShown = photo => (!wanted.size || classes(photo).some(name => wanted.has(name)))
  && (!search || data.identities[photo.identity].toLowerCase().includes(search) || photo.url.toLowerCase().includes(search)
    || (photo.sha256 || '').startsWith(search));

// ---- drawing ----------------------------------------------------------------------------------------------------------
const layers = { boxes: true, joints: true, weights: false };
const colours = { l: '#ff9f1c', r: '#2ec4b6', n: '#ffffff', person: '#4cc9f0', face: '#ffd60a' };
const side = joint => joint === 0 ? 'n' : joint % 2 ? 'l' : 'r';

// Coordinates are shares of the photo's width and height; the picture is fitted into the canvas as CSS fits the image.
function draw(canvas, photo) {
  const size = canvas.width = canvas.height = Math.round(canvas.clientWidth * devicePixelRatio) || 172;
  const context = canvas.getContext('2d');
  const [w, h] = [photo.width || 1, photo.height || 1];
  const scale = size / Math.max(w, h), [dx, dy] = [(size - w * scale) / 2, (size - h * scale) / 2];
  const at = (x, y) => [dx + x * w * scale, dy + y * h * scale];
  context.clearRect(0, 0, size, size);
  const visible = photo.joints ? photo.joints.map(joint => joint[2] > 0) : [];
  if (layers.weights && photo.joints && visible.some(Boolean)) heat(context, photo, at, scale * Math.max(w, h));
  if (layers.boxes) {
    context.lineWidth = Math.max(1.5, size / 130);
    for (const [boxes, colour] of [[photo.people, colours.person], [photo.faces, colours.face]]) {
      context.strokeStyle = colour;
      for (const [x0, y0, x1, y1] of boxes || []) {
        const [left, top] = at(x0, y0), [right, bottom] = at(x1, y1);
        context.strokeRect(left, top, right - left, bottom - top);
      }
    }
  }
  if (layers.joints && photo.joints) {
    context.lineWidth = Math.max(1.5, size / 90);
    for (const [a, b] of limbs) {
      if (!visible[a] || !visible[b]) continue;
      context.strokeStyle = side(a) === side(b) ? colours[side(a)] : colours.n;
      context.beginPath();
      context.moveTo(...at(...photo.joints[a]));
      context.lineTo(...at(...photo.joints[b]));
      context.stroke();
    }
    photo.joints.forEach((joint, i) => {
      if (!visible[i]) return;
      context.fillStyle = colours[side(i)];
      context.beginPath();
      context.arc(...at(...joint), Math.max(1.5, size / 75), 0, 7);
      context.fill();
    });
  }
}

// W_norm of the paper (eqs. 11–12): the largest Gaussian of any visible joint; dark where pixels count little.
function heat(context, photo, at, span) {
  const cells = 48, sigma = data.sigma * span, size = context.canvas.width;
  const centres = photo.joints.filter(joint => joint[2] > 0).map(joint => at(...joint));
  const small = make('canvas', { width: cells, height: cells }), pixels = new ImageData(cells, cells);
  for (let y = 0; y < cells; y++) for (let x = 0; x < cells; x++) {
    const [px, py] = [(x + .5) * size / cells, (y + .5) * size / cells];
    let nearest = Infinity;
    for (const [cx, cy] of centres) nearest = Math.min(nearest, (px - cx) ** 2 + (py - cy) ** 2);
    const weight = Math.exp(-nearest / (2 * sigma * sigma));
    pixels.data.set([255 * weight, 60 * weight, 20, 60 + 120 * (1 - weight)], 4 * (y * cells + x));
  }
  small.getContext('2d').putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, size, size);
}

// ---- cards, made only while they are near the window ------------------------------------------------------------------
const CARDS = 60; // of a block: a block comes and goes as a whole
const cardOf = new Map(); // photo → its card, while it is on the page
let shown = [], here = null;

const near = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting && !target.childElementCount) {
      target.append(...target.photos.map(card));
      target.style.minHeight = '';
      for (const photo of target.photos) draw(cardOf.get(photo).querySelector('canvas'), photo);
    } else if (!isIntersecting && target.childElementCount) {
      target.style.minHeight = target.offsetHeight + 'px';
      target.replaceChildren();
      target.photos.forEach(photo => cardOf.delete(photo));
    }
  }
}, { rootMargin: '800px' });

function card(photo) {
  const picture = photo.thumb ? make('img', { src: photo.thumb, alt: '' }) : make('span', { textContent: 'no picture' });
  const node = make('div', { onclick: () => { select(photo); open(photo); } },
    make('div', { className: 'pic' }, picture, make('canvas')), make('div', { className: 'say' }));
  cardOf.set(photo, node);
  dress(photo);
  return node;
}

function dress(photo) {
  const node = cardOf.get(photo);
  if (!node) return;
  const by = decisions.get(photo), moved = change(photo);
  node.className = ['card', isKept(photo) ? 'keep' : 'drop', moved, by != null || photo.decided ? 'hand' : '', photo === here ? 'here' : ''].join(' ');
  const head = by != null ? `${by ? 'keep' : 'drop'}, by hand` : moved === 'lost' ? 'would be dropped' : moved === 'won' ? 'would be kept' : photo.keep ? 'kept' : 'dropped';
  node.lastChild.replaceChildren(make('b', { textContent: head }), ...photo.reasons.flatMap(([, text]) => [make('br'), text]));
}

function layOut() {
  near.disconnect();
  cardOf.clear();
  shown = photos.filter(isShown);
  const people = new Map();
  for (const photo of shown) people.has(photo.identity) ? people.get(photo.identity).push(photo) : people.set(photo.identity, [photo]);
  const list = byId('people');
  list.replaceChildren(...[...people].map(([identity, of]) => {
    const kept = of.filter(isKept).length;
    const section = make('section', { className: 'person' }, make('h3', {}, data.identities[identity],
      make('small', { textContent: `${kept} kept, ${of.length - kept} dropped` })));
    const columns = Math.max(1, Math.floor(list.clientWidth / 170));
    for (let from = 0; from < of.length; from += CARDS) {
      const block = make('div', { className: 'cards' });
      block.photos = of.slice(from, from + CARDS);
      block.style.minHeight = Math.ceil(block.photos.length / columns) * 247 + 'px';
      section.append(block);
      near.observe(block);
    }
    return section;
  }));
  if (!shown.length) list.append(make('p', { textContent: 'No photo fits the filter.' }));
  if (!shown.includes(here)) here = null;
}

// ---- the side -----------------------------------------------------------------------------------------------------------
const svg = (tag, attributes) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

function histogram(slider) {
  const bins = 40, counts = Array.from({ length: bins }, () => [0, 0]);
  for (const photo of photos) {
    const score = photo.scores[slider.name];
    if (score == null) continue;
    const bin = Math.floor((score - slider.min) / (slider.max - slider.min) * bins);
    counts[Math.max(0, Math.min(bins - 1, bin))][photo.keep ? 0 : 1]++;
  }
  // The root keeps bars of a few photos visible beside those of many.
  const root = Math.sqrt, tallest = Math.max(1, ...counts.map(([kept, dropped]) => root(kept + dropped)));
  const picture = svg('svg', { viewBox: `0 0 ${bins} 42`, preserveAspectRatio: 'none' });
  counts.forEach(([kept, dropped], bin) => {
    const all = kept + dropped, height = 40 * root(all) / tallest, share = all ? height * kept / all : 0;
    picture.append(svg('rect', { class: 'k', x: bin + .08, y: 42 - share, width: .84, height: share }),
      svg('rect', { class: 'd', x: bin + .08, y: 42 - height, width: .84, height: height - share }));
  });
  slider.line = svg('line', { class: 't', y1: 0, y2: 42, 'vector-effect': 'non-scaling-stroke' });
  picture.append(slider.line);
  return picture;
}

function makeSliders() {
  for (const slider of sliders) {
    slider.said = make('output');
    slider.effect = make('p');
    slider.input = make('input', { type: 'range', min: slider.min, max: slider.max, step: slider.step, value: slider.at,
      oninput: () => { slider.value = +slider.input.value === +(+slider.at).toFixed(6) ? slider.at : +slider.input.value; refresh(); } });
    byId('sliders').append(make('div', { className: 'slider' },
      make('label', {}, slider.label, slider.said), histogram(slider), slider.input, slider.effect));
  }
}

let pending = false;
function refresh() { // once per frame, however many events come
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; refreshNow(); });
}

function refreshNow() {
  const counts = new Map();
  for (const photo of photos) for (const name of classes(photo)) counts.set(name, (counts.get(name) || 0) + 1);
  const names = ['kept', 'dropped', 'changed', 'by hand'];
  names.push(...[...counts.keys()].filter(name => !names.includes(name)).sort((a, b) => counts.get(b) - counts.get(a)));
  byId('filters').replaceChildren(...names.map(name => make('button', {
    className: wanted.has(name) ? 'on' : '',
    onclick: () => { wanted.has(name) ? wanted.delete(name) : wanted.add(name); refreshNow(); layOut(); },
  }, name.replaceAll('_', ' ') + ' ', make('b', { textContent: counts.get(name) || 0 }))));
  for (const slider of sliders) {
    const value = slider.value, share = (value - slider.min) / (slider.max - slider.min) * 40;
    slider.line.setAttribute('x1', share);
    slider.line.setAttribute('x2', share);
    slider.said.textContent = `${slider.over ? '≤' : '≥'} ${+(+value).toFixed(3)}`;
    const lost = photos.filter(photo => isKept(photo) && fails(slider, value, photo.scores[slider.name]) && !fails(slider, slider.at, photo.scores[slider.name])).length;
    const won = photos.filter(photo => !photo.keep && photo.reasons.length === 1 && photo.reasons[0][0] === slider.reason && !fails(slider, value, photo.scores[slider.name])).length;
    slider.effect.replaceChildren(...(value === slider.at ? ['as in the rules'] : [
      make('span', { className: 'lost', textContent: `${lost} would drop` }), ', ', make('span', { className: 'won', textContent: `${won} would stay` })]));
  }
  byId('decided').textContent = decisions.size ? `${decisions.size} decided${unsaved ? ', not saved yet' : ', saved'}` : 'Nothing decided yet.';
  byId('save').disabled = !decisions.size;
  for (const photo of cardOf.keys()) dress(photo);
  const kept = photos.filter(isKept).length;
  byId('totals').textContent = `${data.identities.length} people, ${photos.length} photos: ${kept} kept, ${photos.length - kept} dropped`;
}

// ---- one photo --------------------------------------------------------------------------------------------------------
function select(photo) {
  const before = here;
  here = photo;
  if (before) dress(before);
  dress(photo);
}

function open(photo) {
  const canvas = make('canvas');
  const rows = [['person', data.identities[photo.identity]], ['verdict', photo.keep ? 'kept' : 'dropped'],
    ...photo.reasons.map(([name, text]) => ['reason', text || name]),
    ['size', photo.width ? `${photo.width}×${photo.height} px` : 'not known'],
    ...Object.entries(photo.scores).filter(([, score]) => score != null).map(([name, score]) => [name, String(score)]),
    ['address', photo.url], ['SHA-256', photo.sha256 || 'no bytes']];
  const decideAndShow = keep => () => { decide(photo, keep); byId('one').close(); };
  byId('one').replaceChildren(make('div', { className: 'both' },
    make('div', {}, make('div', { className: 'pic' }, ...(photo.thumb ? [make('img', { src: photo.thumb, alt: '' })] : []), canvas)),
    make('div', {}, make('table', {}, ...rows.map(([name, text]) => make('tr', {}, make('th', { textContent: name }), make('td', { textContent: text })))),
      make('p', {}, make('button', { textContent: 'Keep', onclick: decideAndShow(true) }), ' ',
        make('button', { textContent: 'Drop', onclick: decideAndShow(false) }), ' ',
        make('button', { textContent: 'As the rules say', onclick: decideAndShow(null) })))));
  byId('one').tabIndex = -1; // no button is pressed by an Enter too many
  byId('one').showModal();
  byId('one').focus();
  draw(canvas, photo);
}

function step(by) {
  if (!shown.length) return;
  const at = here ? shown.indexOf(here) : by > 0 ? -1 : 0;
  const next = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
  const block = [...document.querySelectorAll('.cards')].find(block => block.photos.includes(next));
  if (!block.childElementCount) block.scrollIntoView();
  select(next);
  cardOf.get(next)?.scrollIntoView({ block: 'nearest' });
}

addEventListener('keydown', event => {
  if (event.target.matches('input') || event.ctrlKey || event.metaKey || event.altKey) return;
  const grid = document.querySelector('.cards'), columns = grid ? getComputedStyle(grid).gridTemplateColumns.split(' ').length : 1;
  const acts = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), ArrowDown: () => step(columns), ArrowUp: () => step(-columns),
    k: () => { decide(here, true); step(1); }, d: () => { decide(here, false); step(1); }, u: () => decide(here, null),
    Enter: () => here && open(here), s: save,
    b: () => toggle('boxes'), j: () => toggle('joints'), w: () => toggle('weights'),
  };
  if (!acts[event.key] || (byId('one').open && !['k', 'd', 'u'].includes(event.key))) return;
  event.preventDefault();
  if (byId('one').open) byId('one').close();
  acts[event.key]();
});

function toggle(layer) {
  layers[layer] = !layers[layer];
  byId(layer).checked = layers[layer];
  for (const [photo, node] of cardOf) draw(node.querySelector('canvas'), photo);
}

makeSliders();
refreshNow();
layOut();
for (const layer of Object.keys(layers)) {
  byId(layer).checked = layers[layer];
  byId(layer).onchange = () => toggle(layer);
}
byId('save').onclick = save;
byId('search').oninput = event => { search = event.target.value.trim().toLowerCase(); layOut(); };
byId('reset').onclick = () => {
  sliders.forEach(slider => { slider.value = slider.at; slider.input.value = slider.at; });
  refreshNow();
};

// ---- `#selftest`: does what a person would, and says how it went in the title and in the body's attributes ------------
async function selfTest() {
  const told = {}, frame = () => new Promise(done => setTimeout(done, 100));
  const press = key => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const started = performance.now();
  await frame();
  told.photos = photos.length;
  told.cards = document.querySelectorAll('.card').length;
  told.external = [...document.querySelectorAll('[src],[href]')].filter(node => !(node.src || node.href || '').startsWith('data:')).length;
  const watermark = sliders.find(slider => slider.name === 'watermark');
  watermark.input.value = 0.01;
  watermark.input.oninput();
  await frame();
  told.lost = photos.filter(photo => change(photo) === 'lost').length;
  told.expectedLost = photos.filter(photo => photo.keep && photo.scores.watermark > 0.01).length;
  byId('reset').onclick();
  ['ArrowRight', 'd', 'k', 'd', 'u'].forEach(press);
  await frame();
  told.lines = asLines();
  wanted.add('dropped');
  layOut();
  told.dropped = shown.length;
  wanted.clear();
  layOut();
  scrollTo(0, document.body.scrollHeight);
  await frame(); await frame();
  told.cardsAfterScroll = document.querySelectorAll('.card').length;
  told.milliseconds = Math.round(performance.now() - started);
  unsaved = false;
  document.body.dataset.selftest = JSON.stringify(told);
}
if (location.hash === '#selftest') {
  selfTest().catch(error => { document.body.dataset.selftest = JSON.stringify({ error: String(error) }); });
}
