//! Tables and fields of HTML pages that robots.txt allows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cupola_spec::Page;
use scraper::{ElementRef, Html, Selector};
use serde_json::{Map, Value};
use texting_robots::{Robot, get_robots_url};
use url::Url;

use super::WebClient;
use crate::error::Error;
use crate::fetch::cache::SourceCache;
use crate::progress::ProgressUnit;

/// User agent that robots.txt rules are matched with.
const AGENT: &str = "cupola";

/// Downloads the rows of all pages as JSON lines.
pub(in crate::fetch) async fn fetch(
    web: &WebClient<'_>,
    url: &Url,
    page: &Page,
    cache: &SourceCache,
) -> Result<PathBuf, Error> {
    let wanted = PageSelectors::of(web, page)?;
    let robot = robots(web, url).await?;
    let rest = robot.as_ref().and_then(|robot| robot.delay).map_or(0.0, f64::from).clamp(0.0, 60.0);
    let rest = Duration::from_secs_f64(rest);
    let (mut at, mut rows, mut seen) = (url.clone(), Vec::new(), Vec::new());
    web.progress.begin(web.key(), ProgressUnit::Pages, page.pages);
    loop {
        if robot.as_ref().is_some_and(|robot| !robot.allowed(at.as_str())) {
            web.progress.end();
            return Err(
                web.wrong("robots.txt of the site does not allow this page; ask its owner for the data")
            );
        }
        let (_, text) = web.page(&at, rest).await.inspect_err(|_| web.progress.end())?;
        let next = wanted.read(&text, &mut rows).map_err(|why| web.wrong(why))?;
        web.progress.advance(1);
        seen.push(at.clone());
        let next = next.and_then(|link| at.join(&link).ok());
        let more = next.filter(|next| !seen.contains(next) && next.origin() == url.origin());
        match more {
            Some(next) if page.pages.is_none_or(|most| (seen.len() as u64) < most) => at = next,
            _ => break,
        }
    }
    web.progress.end();
    let settings = serde_json::to_string(page).unwrap_or_default();
    let file = cache.folder("page", &format!("{} {settings}", web.key()))?.join("rows.jsonl");
    let lines: String = rows.into_iter().map(|row| Value::Object(row).to_string() + "\n").collect();
    cupola_store::write_file(&file, lines.as_bytes())?;
    Ok(file)
}

/// Downloads the site's robots.txt; `None` if it has none (RFC 9309, 2.3.1.3).
async fn robots(web: &WebClient<'_>, url: &Url) -> Result<Option<Robot>, Error> {
    let Some(at) = get_robots_url(url.as_str()).ok().and_then(|at| Url::parse(&at).ok()) else {
        return Ok(None);
    };
    match web.page(&at, Duration::ZERO).await {
        Ok((_, text)) => Ok(Robot::new(AGENT, text.as_bytes()).ok()),
        Err(Error::Remote { why, .. }) if why.contains("answered 4") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Parsed CSS selectors of `data.page`.
struct PageSelectors {
    select: Selector,
    columns: BTreeMap<String, (Option<Selector>, Option<String>)>,
    next: Option<Selector>,
    text: String,
}

impl PageSelectors {
    fn of(web: &WebClient<'_>, page: &Page) -> Result<Self, Error> {
        let selector = |text: &str| {
            Selector::parse(text)
                .map_err(|_| web.wrong(format!("invalid CSS selector `{text}`; check `data.page`")))
        };
        let mut columns = BTreeMap::new();
        for (name, text) in &page.columns {
            let (css, attribute) = match text.rsplit_once('@') {
                Some((css, attribute)) => (css, Some(attribute.to_owned())),
                None => (text.as_str(), None),
            };
            let css = if css.trim().is_empty() { None } else { Some(selector(css)?) };
            columns.insert(name.clone(), (css, attribute));
        }
        let next = page.next.as_deref().map(selector).transpose()?;
        Ok(Self { select: selector(&page.select)?, columns, next, text: page.select.clone() })
    }

    /// Appends the rows of a page; returns the link to the next page.
    fn read(&self, text: &str, rows: &mut Vec<Map<String, Value>>) -> Result<Option<String>, String> {
        let html = Html::parse_document(text);
        let mut found = html.select(&self.select);
        if self.columns.is_empty() {
            let table = found
                .next()
                .ok_or_else(|| format!("nothing matches `{}`; check `data.page.select`", self.text))?;
            rows.extend(table_rows(table)?);
        } else {
            let before = rows.len();
            rows.extend(found.map(|row| self.fields(row)));
            if rows.len() == before && before == 0 {
                return Err(format!("nothing matches `{}`; check `data.page.select`", self.text));
            }
        }
        let link = self.next.as_ref().and_then(|next| html.select(next).next());
        Ok(link.and_then(|link| link.value().attr("href")).map(str::to_owned))
    }

    fn fields(&self, row: ElementRef<'_>) -> Map<String, Value> {
        let value = |(css, attribute): &(Option<Selector>, Option<String>)| {
            let element = match css {
                Some(css) => row.select(css).next()?,
                None => row,
            };
            match attribute {
                Some(name) => element.value().attr(name).map(str::to_owned),
                None => Some(words(element)),
            }
        };
        let each = self.columns.iter().map(|(name, column)| {
            (name.clone(), value(column).filter(|text| !text.is_empty()).map_or(Value::Null, Value::String))
        });
        each.collect()
    }
}

/// Rows of an HTML table with the column names in its first row.
fn table_rows(table: ElementRef<'_>) -> Result<Vec<Map<String, Value>>, String> {
    let css = |text: &str| Selector::parse(text).map_err(|error| error.to_string());
    let (line, cell) = (css("tr")?, css("th, td")?);
    let mut lines = table.select(&line).map(|row| row.select(&cell).map(words).collect::<Vec<String>>());
    let header = lines.next().ok_or("the table has no rows; check `data.page.select`")?;
    let mut rows = Vec::new();
    for (index, cells) in lines.enumerate().filter(|(_, cells)| !cells.is_empty()) {
        if cells.len() != header.len() {
            let (row, found, expected) = (index + 1, cells.len(), header.len());
            return Err(format!(
                "row {row} of the table has {found} cells, its header {expected}; take fields by `data.page.columns`"
            ));
        }
        let each = header.iter().cloned().zip(cells);
        rows.push(
            each.map(|(name, text)| (name, if text.is_empty() { Value::Null } else { typed(text) }))
                .collect(),
        );
    }
    Ok(rows)
}

/// Converts text to a number if it is one.
fn typed(text: String) -> Value {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let whole = text.parse::<i64>().ok();
    whole.map(Value::from).or(number.map(Value::from)).unwrap_or(Value::String(text))
}

/// Text of an element with runs of white space as single spaces.
fn words(element: ElementRef<'_>) -> String {
    element.text().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
