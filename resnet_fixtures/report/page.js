"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const filters = document.getElementById("filters");
  const table = document.getElementById("rows");
  const more = document.getElementById("more");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();
  let shown = table ? Number(table.dataset.shown) : 0;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const chosen = () => Object.fromEntries([...filters.querySelectorAll("select")].map((one) => [one.name, one.value]));

  // A trace of several batch sizes keeps the points of the chosen one.
  function filterTrace(trace, choice) {
    const meta = trace.meta;
    if (!meta) return trace;
    if (choice.precision && meta.precision !== choice.precision) return null;
    if (!choice.batch) return trace;
    const kept = (values) => values.filter((_, index) => String(meta.batch_sizes[index]) === choice.batch);
    const error = { ...trace.error_y, array: kept(trace.error_y.array), arrayminus: kept(trace.error_y.arrayminus) };
    return { ...trace, x: kept(trace.x), y: kept(trace.y), error_y: error };
  }

  function themed(layout, traces) {
    const ink = colour("--ink"), quiet = colour("--quiet"), rule = colour("--rule"), paper = colour("--paper");
    const axis = (given = {}) => ({
      gridcolor: rule, linecolor: rule, zeroline: false, automargin: true, fixedrange: true, ...given,
      tickfont: { size: 11, color: quiet },
      ...(given.title?.text && { title: { standoff: 8, ...given.title, font: { size: 11, color: quiet } } }),
    });
    const legend = traces.filter((trace) => trace.name && trace.showlegend !== false).length > 1;
    const names = (layout.annotations || []).map((one) => ({ ...one, font: { ...one.font, color: ink } }));
    return {
      ...layout, annotations: names, xaxis: axis({ nticks: 6, showgrid: false, ...layout.xaxis }),
      yaxis: axis({ nticks: 6, ...layout.yaxis }),
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 48, r: 12, t: 14, b: 34 },
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink }, showlegend: legend,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11, color: quiet } },
      hoverlabel: { bgcolor: paper, bordercolor: rule, align: "left", font: { color: ink } }, hovermode: "closest",
    };
  }

  function draw(element) {
    const figure = figures[element.dataset.figure];
    const traces = figure.data.map((trace) => filterTrace(trace, chosen())).filter(Boolean);
    Plotly.react(element, traces, themed(figure.layout, traces), { displayModeBar: false, responsive: true });
    if (!drawn.has(element)) {
      element.on("plotly_click", (event) => {
        const run = event.points[0].customdata;
        if (/^run-\d+$/.test(run)) location.hash = run;
      });
    }
    drawn.add(element);
  }

  function showRows() {
    if (!table) return;
    const choice = chosen();
    let matching = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !matches(row, choice) || ++matching > shown;
    }
    more.hidden = matching <= shown;
    more.textContent = `Show all ${matching} results`;
  }

  function matches(element, choice) {
    return Object.entries(choice).every(
      ([name, value]) => !value || !(name in element.dataset) || element.dataset[name] === value,
    );
  }

  function applyFilters() {
    const choice = chosen();
    for (const element of document.querySelectorAll("main [data-machine], main [data-precision]")) {
      if (!table || !table.contains(element)) element.hidden = !matches(element, choice);
    }
    showRows();
    for (const element of drawn) if (element.offsetParent) draw(element);
  }

  function redraw() {
    for (const element of drawn) draw(element);
  }

  // plotly takes a second to start, so the page is there before it; each figure is drawn when it comes into view.
  function startFigures() {
    const library = document.createElement("script");
    library.text = document.getElementById("plotly").textContent;
    document.head.append(library);
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
        document.documentElement.dataset.drawnMs ||= Math.round(performance.now());
      },
      { rootMargin: "50px" },
    );
    for (const element of document.querySelectorAll("[data-figure]")) observer.observe(element);
    addEventListener("beforeprint", () => document.querySelectorAll("[data-figure]").forEach(draw));
    dark.addEventListener("change", redraw);
  }

  filters.addEventListener("change", applyFilters);
  if (more) more.addEventListener("click", () => { shown = Infinity; showRows(); });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && location.hash.startsWith("#run-")) location.hash = "results";
  });
  applyFilters(); // a browser may have kept the choices of an earlier visit
  addEventListener("load", () => requestAnimationFrame(() => setTimeout(startFigures)));
})();
