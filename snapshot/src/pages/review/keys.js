// ---- one photo, closer ------------------------------------------------------------------------------------
function select(photo) {
  const former = here;
  here = photo;
  if (former) dress(former);
  dress(photo);
}

function look(photo) {
  const { scores } = photo, canvas = make('canvas'), dialog = byId('one');
  const rows = [['person', identities[photo.identity]], ['verdict', verdictInWords(photo)],
    ...photo.reasons.map(({ text }) => ['reason', text]),
    ['size', photo.width ? `${photo.width}×${photo.height} px` : 'not known'],
    ...Object.entries(scores)
      .filter(([name, score]) => score != null && !(name === 'person' ? photo.people : name === 'face' && photo.faces))
      .map(([name, score]) => [name.replaceAll('_', ' '), String(score)]),
    ...[['people', photo.people], ['faces', photo.faces]].map(([name, found]) =>
      [name, found ? found.map(({ score }) => score).join(', ') || 'none' : 'not asked']),
    ['address', photo.url], ['SHA-256', photo.sha256 ?? 'no bytes']];
  const button = (text, key) =>
    make('button', { onclick: () => press(key) }, text + ' ', make('kbd', { textContent: key }));
  dialog.replaceChildren(make('div', { className: 'both' }, make('div', { className: 'pic' }, picture(photo), canvas),
    make('div', {}, make('table', {}, ...rows.map(([name, text]) =>
      make('tr', {}, make('th', { textContent: name }), make('td', { textContent: text })))),
      make('p', { className: 'buttons' }, button('Keep', 'k'), button('Drop', 'd'), button('As the rules say', 'u')))));
  dialog.tabIndex = -1; // no button has the focus at first: an Enter too many decides nothing
  if (!dialog.open) dialog.showModal();
  dialog.focus();
  draw(canvas, photo);
}

// ---- keys -------------------------------------------------------------------------------------------------
function go(to) {
  if (!shown.length) return;
  const next = shown[Math.max(0, Math.min(shown.length - 1, to))];
  const block = [...document.querySelectorAll('.cards')].find(block => block.photos.includes(next));
  fill(block);
  select(next);
  cardOf.get(next).scrollIntoView({ block: 'nearest' });
  if (byId('one').open) look(next);
}
const place = () => here ? shown.indexOf(here) : -1;

// To the card above or below, across persons: the rows are as the page has them.
function goByRow(by) {
  if (!here) return go(0);
  const columns = getComputedStyle(document.querySelector('.cards')).gridTemplateColumns.split(' ').length;
  go(place() + by * columns);
}

function goByPerson(by) {
  const firsts = [...document.querySelectorAll('.person')].map(section => shown.indexOf(section.photos[0]));
  const at = firsts.filter(first => first <= place()).length - 1;
  go(firsts[Math.max(0, Math.min(firsts.length - 1, at + by))]);
}

const decideAndGoOn = keep => { if (decide(here, keep)) go(place() + 1); };
const acts = {
  ArrowRight: () => go(place() + 1), ArrowLeft: () => go(place() - 1),
  ArrowDown: () => goByRow(1), ArrowUp: () => goByRow(-1),
  n: () => goByPerson(1), p: () => goByPerson(-1),
  k: () => decideAndGoOn(true), d: () => decideAndGoOn(false), u: () => decide(here, null),
  Enter: () => here && (byId('one').open ? byId('one').close() : look(here)), s: save,
  b: () => toggle('boxes'), j: () => toggle('joints'), w: () => toggle('weights'), '/': () => byId('search').focus(),
};
const press = key => acts[key]();

addEventListener('keydown', event => {
  if (event.target.matches('input[type=search]')) {
    if (event.key === 'Escape' || event.key === 'Enter') event.target.blur();
    return;
  }
  const isOfControl = event.target.matches('input, select, button')
    && (event.key === 'Enter' || event.key.startsWith('Arrow'));
  if (event.ctrlKey || event.metaKey || event.altKey || isOfControl || !Object.hasOwn(acts, event.key)) return;
  event.preventDefault();
  press(event.key);
});

function toggle(layer) {
  layers[layer] = !layers[layer];
  byId(layer).checked = layers[layer];
  drawAll();
  if (byId('one').open) look(here);
}

// ---- the start --------------------------------------------------------------------------------------------
byId('sliders').append(...sliders.map(makeSlider));
byId('order').append(make('option', { value: '', textContent: 'by person' }),
  ...sliders.filter(slider => slider.rule !== 'people.min_score_with_face').map(slider =>
    make('option', { value: slider.rule, textContent: `${slider.over ? 'highest' : 'lowest'} ${slider.label} first` })));
byId('order').onchange = () => { byId('order').blur(); layOut(); };
for (const layer of Object.keys(layers)) {
  byId(layer).checked = layers[layer];
  byId(layer).onchange = () => toggle(layer);
}
byId('save').onclick = save;
byId('search').oninput = event => { search = event.target.value.trim().toLowerCase(); layOut(); };
byId('reset').onclick = () => {
  for (const slider of sliders) slider.input.value = slider.value = slider.at;
  refresh();
};
addEventListener('resize', drawAll);
refreshNow();
layOut();
