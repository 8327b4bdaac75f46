"use strict";
(() => {
  const root = document.documentElement;
  const figures = [...document.querySelectorAll(".plot")].map((plot) => ({
    plot,
    source: plot.nextElementSibling.textContent,
  }));

  // The log's figures name colours as variables of the style sheet: this puts in what they mean now.
  function coloured(value, style) {
    if (typeof value === "string") {
      const name = /^var\((--[a-z]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
    }
    return value;
  }

  // plotly takes longer to start than the rest of the page to load; the policy holds its hash as well.
  function start() {
    if (window.Plotly) return;
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.body.append(script);
    script.remove();
  }

  function draw({ plot, source }, width) {
    start();
    const figure = coloured(JSON.parse(source), getComputedStyle(root));
    if (width) Object.assign(figure.layout, { width, height: 0.65 * figure.layout.height });
    Plotly.react(plot, figure.data, figure.layout, {
      displayModeBar: false,
      displaylogo: false,
      responsive: !width,
      scrollZoom: false,
      doubleClick: false,
      showTips: false,
    });
  }

  // A page may hold a hundred plots: each is drawn when it comes near the window, into a place of its height.
  const drawn = new Set();
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((one) => one.isIntersecting)) {
        near.unobserve(entry.target);
        const figure = figures.find((one) => one.plot === entry.target);
        drawn.add(figure);
        draw(figure);
      }
    },
    { rootMargin: "800px 0px" },
  );

  function awaitSight(figure) {
    figure.plot.style.minHeight = `${JSON.parse(figure.source).layout.height}px`;
    near.observe(figure.plot);
  }

  function search() {
    const box = document.getElementById("changed-search");
    if (!box) return;
    box.parentElement.hidden = false;
    let blocks;
    box.addEventListener("input", () => {
      blocks ??= [...document.querySelectorAll("details.changes")].map((block) => ({
        block,
        parts: [...block.querySelectorAll("tbody")].map((part) => ({
          part,
          rows: [...part.querySelectorAll("tr:not(.part)")].map((row) => ({
            row,
            text: row.textContent.toLowerCase(),
          })),
        })),
      }));
      const wanted = box.value.trim().toLowerCase();
      let found = 0;
      for (const { block, parts } of blocks) {
        let hits = 0;
        for (const { part, rows } of parts) {
          const before = hits;
          for (const { row, text } of rows) {
            row.hidden = !text.includes(wanted);
            if (!row.hidden) hits += 1;
          }
          part.hidden = hits === before;
        }
        block.hidden = wanted !== "" && hits === 0;
        block.open = wanted !== "" && hits > 0;
        found += hits;
      }
      document.getElementById("changed-found").textContent = wanted === "" ? "" : `${found} found`;
    });
  }

  // The contents say where the reader is, and keep that entry in sight.
  function follow() {
    const list = document.querySelector("nav ol");
    const links = new Map([...list.querySelectorAll("a")].map((link) => [link.hash.slice(1), link]));
    const observer = new IntersectionObserver(
      (entries) => {
        for (const entry of entries.filter((one) => one.isIntersecting)) {
          for (const link of links.values()) link.removeAttribute("aria-current");
          const link = links.get(entry.target.id);
          link.setAttribute("aria-current", "location");
          list.scrollLeft = link.offsetLeft - list.offsetLeft - 16;
        }
      },
      { rootMargin: "-25% 0px -74% 0px" },
    );
    for (const id of links.keys()) observer.observe(document.getElementById(id));
  }

  // On paper nothing can be opened, and dark colours cost ink.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const details of closed) details.open = true;
    root.dataset.theme = "light";
    for (const figure of figures) {
      figure.plot.style.minHeight = "";
      draw(figure, 640);
    }
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
    delete root.dataset.theme;
    for (const figure of figures) {
      if (drawn.has(figure)) draw(figure);
      else Plotly.purge(figure.plot), awaitSight(figure);
    }
  });

  search();
  figures.forEach(awaitSight);
  follow();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((one) => draw(one)));
})();
