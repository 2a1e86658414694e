// Tries each of `settings` (slider values by rule) and says what the page makes of the photos; then decides by hand.
(async () => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const press = key => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const told = { before: photos.filter(isKept).length, tried: [] };
  for (const setting of settings) {
    for (const slider of sliders) {
      if (!(slider.rule in setting)) continue;
      slider.input.value = setting[slider.rule];
      slider.input.dispatchEvent(new Event('input'));
    }
    await frame();
    const of = state => photos.filter(photo => stateOf(photo) === state).map(photo => photo.url).sort();
    told.tried.push({ lost: of('lost'), won: of('won'), open: of('open').length, command: byId('command').textContent });
    byId('reset').click();
    await frame();
  }
  // By person, kept photos come first: the first is dropped. Then the first of those that can be kept is.
  press('ArrowRight');
  press('d');
  press('Enter');
  while (here.keep || here.reasons.some(reason => reason.bars_keeping)) press('ArrowRight');
  press('k');
  press('Enter');
  select(photos.find(photo => photo.reasons.some(({ name }) => name === 'no_person')));
  press('k');
  told.said = byId('said').textContent;
  await frame();
  told.kept = photos.filter(isKept).length;
  told.lines = asLines();
  told.remembered = JSON.parse(localStorage.getItem(STORE)).length;
  unsaved = false;
  tell(told);
})().catch(error => tell({ error: String(error.stack) }));
