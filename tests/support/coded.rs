//! Content codings by their libraries' own readers and writers, which the layers do not use.

use std::io::{Read, Write};

/// Decodes content in a coding.
pub(crate) fn decode(coding: &str, coded: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    match coding {
        "br" => brotli::Decompressor::new(coded, 4096).read_to_end(&mut content),
        "gzip" => flate2::read::GzDecoder::new(coded).read_to_end(&mut content),
        "zstd" => {
            content = zstd::decode_all(coded).expect("zstd");
            Ok(0)
        }
        other => panic!("{other}?"),
    }
    .unwrap_or_else(|error| panic!("{coding}: {error}"));
    content
}

/// Puts content into a coding.
pub(crate) fn encode(coding: &str, content: &[u8]) -> Vec<u8> {
    let best = flate2::Compression::best();
    match coding {
        "br" => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 9, 22);
            writer.write_all(content).expect("brotli");
            writer.into_inner()
        }
        "gzip" | "x-gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), best);
            writer.write_all(content).expect("gzip");
            writer.finish().expect("gzip")
        }
        "deflate" => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), best);
            writer.write_all(content).expect("deflate");
            writer.finish().expect("deflate")
        }
        "zstd" => zstd::encode_all(content, 9).expect("zstd"),
        other => panic!("{other}?"),
    }
}

/// Octets that look like JSON of records: they come to a sixth.
pub(crate) fn json(octets: usize) -> Vec<u8> {
    let mut text = String::from("[");
    let mut number = 1u64;
    while text.len() < octets {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (one, other) = (number >> 45, number >> 50 & 0xfff);
        text += &format!(
            "{{\"id\":{one},\"name\":\"user {other}\",\"active\":{}}},",
            one % 2 == 0
        );
    }
    text.truncate(octets);
    text.into_bytes()
}

/// Octets that no coding makes shorter.
pub(crate) fn noise(octets: usize) -> Vec<u8> {
    let mut number = 7u64;
    let mut next = || {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        number.to_le_bytes()[3]
    };
    (0..octets).map(|_| next()).collect()
}
