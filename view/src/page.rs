//! HTML pages that need nothing but themselves: pictures, tables, findings and text in one file.
//!
//! A page has no script and asks the network for nothing; it opens from a disk, in light and in
//! dark. All text is escaped. The bytes depend on nothing but what was put in.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use voxprep_core::finding::{Finding, Severity};

/// A page: a title, and sections in order.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    lead: String,
    sections: Vec<Section>,
}

/// A part of a page under a heading of its own.
#[derive(Clone, Debug)]
pub struct Section {
    heading: String,
    blocks: Vec<Block>,
}

/// What a section holds.
#[derive(Clone, Debug)]
enum Block {
    Text(String),
    Figures(Vec<Figure>),
    Table(Table),
    Findings(Vec<Finding>),
    Folded { label: String, text: String },
    Links(Vec<(String, String)>),
}

/// A picture in a page.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The bytes of a PNG file.
    pub png: Vec<u8>,
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// What is seen, for those who see it.
    pub caption: String,
    /// The same for those who do not; the caption, if it is empty.
    pub description: String,
}

/// Rows of text under headings. A column whose cells are all numbers stands on the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The headings.
    pub head: Vec<String>,
    /// The rows; missing cells are empty.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings and no rows.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self {
            head: head.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    fn is_number(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        let number = |cell: &String| cell.trim().parse::<f64>().is_ok();
        cells.clone().next().is_some() && cells.all(|cell| cell.is_empty() || number(cell))
    }
}

impl Section {
    /// A section without contents.
    pub fn new(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            blocks: Vec::new(),
        }
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.with(Block::Text(text.into()))
    }

    /// Adds pictures, side by side where there is room.
    #[must_use]
    pub fn figures(self, figures: Vec<Figure>) -> Self {
        self.with(Block::Figures(figures))
    }

    /// Adds a table.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.with(Block::Table(table))
    }

    /// Adds findings, warnings first.
    #[must_use]
    pub fn findings(self, findings: &[Finding]) -> Self {
        let mut findings = findings.to_vec();
        findings.sort_by_key(|finding| finding.severity != Severity::Warning);
        self.with(Block::Findings(findings))
    }

    /// Adds a text as it is, folded away under a label: a pipeline, a plan, a record.
    #[must_use]
    pub fn folded(self, label: impl Into<String>, text: impl Into<String>) -> Self {
        let (label, text) = (label.into(), text.into());
        self.with(Block::Folded { label, text })
    }

    /// Adds links to files: their names, and where they are from the page.
    #[must_use]
    pub fn links(self, links: Vec<(String, String)>) -> Self {
        self.with(Block::Links(links))
    }

    fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }
}

impl Page {
    /// A page with a title, and one sentence below it.
    pub fn new(title: impl Into<String>, lead: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            lead: lead.into(),
            sections: Vec::new(),
        }
    }

    /// Adds a section.
    pub fn section(&mut self, section: Section) {
        self.sections.push(section);
    }

    /// The page as the text of an HTML file.
    pub fn to_html(&self) -> String {
        let mut html = String::with_capacity(8192);
        let title = escaped(&self.title);
        html.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        // Without an icon of its own a browser asks the server, or complains, for one.
        html.push_str("<link rel=\"icon\" href=\"data:,\">\n");
        push(&mut html, format_args!("<title>{title}</title>\n"));
        html.push_str("<style>\n");
        html.push_str(STYLE);
        html.push_str("</style>\n</head>\n<body>\n<header>\n");
        push(&mut html, format_args!("<h1>{title}</h1>\n"));
        if !self.lead.is_empty() {
            let lead = escaped(&self.lead);
            push(&mut html, format_args!("<p class=\"lead\">{lead}</p>\n"));
        }
        if self.sections.len() > 1 {
            html.push_str("<nav>");
            for (number, section) in self.sections.iter().enumerate() {
                let heading = escaped(&section.heading);
                push(
                    &mut html,
                    format_args!("<a href=\"#s{number}\">{heading}</a>"),
                );
            }
            html.push_str("</nav>\n");
        }
        html.push_str("</header>\n<main>\n");
        for (number, section) in self.sections.iter().enumerate() {
            let heading = escaped(&section.heading);
            push(
                &mut html,
                format_args!("<section id=\"s{number}\">\n<h2>{heading}</h2>\n"),
            );
            for block in &section.blocks {
                block.write(&mut html);
            }
            html.push_str("</section>\n");
        }
        html.push_str("</main>\n</body>\n</html>\n");
        html
    }
}

impl Block {
    fn write(&self, html: &mut String) {
        match self {
            Self::Text(text) => push(html, format_args!("<p>{}</p>\n", escaped(text))),
            Self::Figures(figures) => {
                html.push_str("<div class=\"figures\">\n");
                for figure in figures {
                    figure.write(html);
                }
                html.push_str("</div>\n");
            }
            Self::Table(table) => table.write(html),
            Self::Findings(findings) if findings.is_empty() => {
                html.push_str("<p class=\"none\">No findings.</p>\n");
            }
            Self::Findings(findings) => {
                html.push_str("<ul class=\"findings\">\n");
                for finding in findings {
                    write_finding(finding, html);
                }
                html.push_str("</ul>\n");
            }
            Self::Folded { label, text } => {
                let (label, text) = (escaped(label), escaped(text));
                push(
                    html,
                    format_args!(
                        "<details><summary>{label}</summary><pre>{text}</pre></details>\n"
                    ),
                );
            }
            Self::Links(links) => {
                html.push_str("<ul class=\"links\">\n");
                for (name, target) in links {
                    let (name, target) = (escaped(name), escaped(&address(target)));
                    push(
                        html,
                        format_args!("<li><a href=\"{target}\">{name}</a></li>\n"),
                    );
                }
                html.push_str("</ul>\n");
            }
        }
    }
}

impl Figure {
    fn write(&self, html: &mut String) {
        let [width, height] = self.size;
        let caption = escaped(&self.caption);
        let description = match self.description.is_empty() {
            true => caption.clone(),
            false => escaped(&self.description),
        };
        push(
            html,
            format_args!(
                "<figure><img width=\"{width}\" height=\"{height}\" alt=\"{description}\" src=\"data:image/png;base64,"
            ),
        );
        STANDARD.encode_string(&self.png, html);
        push(
            html,
            format_args!("\"><figcaption>{caption}</figcaption></figure>\n"),
        );
    }
}

impl Table {
    fn write(&self, html: &mut String) {
        let columns = self
            .rows
            .iter()
            .map(Vec::len)
            .fold(self.head.len(), usize::max);
        let numbers: Vec<bool> = (0..columns).map(|column| self.is_number(column)).collect();
        let class = |column: usize| match numbers.get(column) {
            Some(true) => " class=\"n\"",
            _ => "",
        };
        html.push_str("<div class=\"wide\"><table>\n");
        if !self.head.is_empty() {
            html.push_str("<thead><tr>");
            for column in 0..columns {
                let text = self.head.get(column).map_or(String::new(), |t| escaped(t));
                push(html, format_args!("<th{}>{text}</th>", class(column)));
            }
            html.push_str("</tr></thead>\n");
        }
        html.push_str("<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for column in 0..columns {
                let text = row.get(column).map_or(String::new(), |t| escaped(t));
                push(html, format_args!("<td{}>{text}</td>", class(column)));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
    }
}

fn write_finding(finding: &Finding, html: &mut String) {
    let class = match finding.severity {
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    push(
        html,
        format_args!(
            "<li class=\"{class}\"><b>{class}</b> {} <code>{}</code>",
            escaped(&finding.message),
            escaped(&finding.code)
        ),
    );
    for about in [&finding.step, &finding.volume].into_iter().flatten() {
        push(html, format_args!(" <code>{}</code>", escaped(about)));
    }
    html.push_str("</li>\n");
}

/// Appends; a string never refuses.
fn push(html: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = html.write_fmt(text);
}

/// Text for a page, also between double quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Letters that no page may hold.
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\x7f' => safe.push('\u{fffd}'),
            _ => safe.push(letter),
        }
    }
    safe
}

/// A relative path as an address: what has a meaning there is written as its bytes, and a colon is
/// no scheme.
fn address(path: &str) -> String {
    let mut address = String::from("./");
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                address.push(char::from(byte));
            }
            _ => push(&mut address, format_args!("%{byte:02X}")),
        }
    }
    address
}

const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut page = Page::new("A <b>scan</b> & more", "One sentence.");
        let figure = Figure {
            png: vec![0x89, b'P', b'N', b'G', 0xff],
            size: [30, 20],
            caption: "mid slices".to_owned(),
            description: String::new(),
        };
        let mut table = Table::new(["volume", "mm3"]);
        table.row(["lungs", "12.5"]);
        table.row(["<airways>", "-3e2"]);
        page.section(
            Section::new("Pictures")
                .text("Before and after.")
                .figures(vec![figure]),
        );
        page.section(
            Section::new("Numbers")
                .table(table)
                .findings(&[
                    Finding::note("a.note", "fine"),
                    Finding::warning("b.warning", "1 < 2").about("image"),
                ])
                .folded("record", "{\"a\": \"</pre><script>\"}")
                .links(vec![(
                    "scan 1".to_owned(),
                    "out/a b:\"1\".nii.gz".to_owned(),
                )]),
        );
        page
    }

    #[test]
    fn all_text_is_escaped() {
        let html = page().to_html();
        assert!(html.contains("<h1>A &lt;b&gt;scan&lt;/b&gt; &amp; more</h1>"));
        assert!(html.contains("&lt;/pre&gt;&lt;script&gt;"));
        assert!(!html.contains("<script"));
        assert!(html.contains("&lt;airways&gt;"));
        assert_eq!(escaped("a\0b\x1b'\t"), "a\u{fffd}b\u{fffd}&#39;\t");
    }

    /// QC-13: a page asks the network for nothing.
    #[test]
    fn a_page_refers_to_nothing_but_itself_and_named_files() {
        let html = page().to_html();
        assert!(!html.contains("http") && !html.contains("url(") && !html.contains("@import"));
        let targets: Vec<&str> = html
            .split(" href=\"")
            .skip(1)
            .chain(html.split(" src=\"").skip(1))
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(
            targets,
            [
                "data:,",
                "#s0",
                "#s1",
                "./out/a%20b%3A%221%22.nii.gz",
                "data:image/png;base64,iVBOR/8="
            ]
        );
    }

    #[test]
    fn warnings_come_first_and_numbers_stand_on_the_right() {
        let html = page().to_html();
        let (warning, note) = (
            html.find("b.warning").unwrap(),
            html.find("a.note").unwrap(),
        );
        assert!(warning < note);
        assert!(html.contains("<th>volume</th><th class=\"n\">mm3</th>"));
        assert!(html.contains("<td>lungs</td><td class=\"n\">12.5</td>"));
        let nothing = Section::new("Findings").findings(&[]);
        let mut page = Page::new("t", "");
        page.section(nothing);
        assert!(page.to_html().contains("No findings."));
    }

    #[test]
    fn every_element_that_is_opened_is_closed() {
        let html = page().to_html();
        let mut open: Vec<&str> = Vec::new();
        for piece in html.split('<').skip(1) {
            let tag = piece.split(['>', ' ']).next().unwrap();
            match tag.strip_prefix('/') {
                Some(tag) => assert_eq!(open.pop(), Some(tag)),
                None if ["!doctype", "meta", "link", "img"].contains(&tag) => {}
                None => open.push(tag),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}
