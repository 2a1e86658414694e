// What a person would do with 5000 photos; `tell` hands the result to the test.
(async () => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const until = async holds => { for (let i = 0; i < 600 && !holds(); i++) await frame(); };
  const press = key => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const cards = () => document.querySelectorAll('.card').length;
  const told = { milliseconds: {} };
  const timed = async (name, act) => {
    const started = performance.now();
    act();
    await frame();
    told.milliseconds[name] = Math.round(performance.now() - started);
  };
  await until(() => document.readyState === 'complete' && performance.getEntriesByType('paint').length > 0);
  for (const { name, startTime } of performance.getEntriesByType('paint')) told.milliseconds[name] = Math.round(startTime);
  told.milliseconds['all read'] = Math.round(performance.getEntriesByType('navigation')[0].loadEventStart);
  await until(() => cards() > 0 && document.querySelector('.card img'));
  told.photos = photos.length;
  told.cards = cards();
  told.pictures = document.querySelectorAll('.card img').length;
  const canvas = document.querySelector('.card.keep canvas');
  told.drawn = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean);
  told.loaded = performance.getEntriesByType('resource').map(({ name }) => name).filter(name => !name.startsWith('data:'));
  told.judgedOtherwise = photos.filter(photo => isKept(photo) !== photo.keep).length;

  const watermark = sliders.find(slider => slider.rule === 'watermark.max_score');
  const slide = value => { watermark.input.value = value; watermark.input.dispatchEvent(new Event('input')); };
  await timed('slider', () => slide(.01));
  told.lost = photos.filter(photo => stateOf(photo) === 'lost').length;
  told.expectedLost = photos.filter(photo => photo.keep && photo.scores.watermark > .01).length;
  told.effect = watermark.effect.textContent;
  await timed('reset', () => byId('reset').click());
  told.lostAfterReset = photos.filter(photo => stateOf(photo)).length;

  await timed('filter', () => [...byId('filters').children].find(chip => chip.textContent.startsWith('dropped')).click());
  told.dropped = shown.length;
  await timed('filter taken back', () => byId('filters').querySelector('.on').click());
  await timed('order', () => { byId('order').value = 'watermark.max_score'; byId('order').onchange(); });
  told.ordered = shown.every((photo, i) => !i || (shown[i - 1].scores.watermark ?? -1) >= (photo.scores.watermark ?? -1));
  byId('order').value = '';
  await timed('by person', () => byId('order').onchange());

  scrollTo(0, document.body.scrollHeight);
  await until(() => cards() && cardOf.has(shown.at(-1)) && !cardOf.has(shown[0]));
  told.cardsAfterScroll = cards();
  told.isAtTheEnd = cardOf.has(shown.at(-1)) && !cardOf.has(shown[0]);

  for (const key of ['ArrowRight', 'ArrowRight', 'd']) press(key);
  told.went = shown.indexOf(here);
  press('ArrowDown');
  told.wentDown = shown.indexOf(here) > 2 && cardOf.get(here).offsetTop > cardOf.get(shown[2]).offsetTop;
  press('n');
  told.wentToPerson = here.identity === 1 && shown[shown.indexOf(here) - 1].identity === 0;
  press('Enter');
  told.isClose = byId('one').open;
  press('d');
  told.isStillClose = byId('one').open && here.identity === 1;
  press('Enter');
  press('ArrowLeft');
  press('u');
  await timed('key', () => press('d'));
  told.lines = asLines();
  unsaved = false;
  tell(told);
})().catch(error => tell({ error: String(error.stack) }));
