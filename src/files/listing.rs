//! A page with the names in a directory.

use crate::files::path::is_name;
use crate::service::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use rustix::fs::{Dir, FileType};
use std::fmt::Write;
use std::fs::File;
use std::io;

/// Reads the names of a directory: files and directories that a request can reach, at the most [`MAX_NAMES`], sorted.
pub(super) fn names(directory: &File, dotfiles: bool) -> io::Result<(Vec<String>, bool)> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if !is_name(name, dotfiles) {
            continue;
        }
        if names.len() == MAX_NAMES {
            names.sort();
            return Ok((names, true));
        }
        names.push(match entry.file_type() {
            FileType::Directory => format!("{name}/"),
            FileType::RegularFile | FileType::Symlink | FileType::Unknown => name.to_owned(),
            _ => continue,
        });
    }
    names.sort();
    Ok((names, false))
}

/// The page. Names are data: escaped in the text, percent-encoded in the links, and no script runs in it.
pub(super) fn page(names: &[String], is_cut: bool, is_root: bool) -> Response {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Files</title>\n<ul>\n",
    );
    if !is_root {
        html.push_str("<li><a href=\"../\">../</a>\n");
    }
    for name in names {
        html.push_str("<li><a href=\"./");
        encode(name, &mut html);
        html.push_str("\">");
        escape(name, &mut html);
        html.push_str("</a>\n");
    }
    html.push_str(if is_cut {
        "</ul>\n<p>and more\n"
    } else {
        "</ul>\n"
    });
    Response::html(html)
        .with_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
        .with_header(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'"),
        )
}

/// What a name is in a path (RFC 3986 §2.3): everything but unreserved characters as an escape.
fn encode(name: &str, out: &mut String) {
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~/".contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
    }
}

fn escape(name: &str, out: &mut String) {
    for character in name.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

/// The most names on a page.
const MAX_NAMES: usize = 2000;
