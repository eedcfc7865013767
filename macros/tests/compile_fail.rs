//! What the attributes refuse, and that each fault is told at the line where it is.

#[test]
fn s52_errors_point_at_the_line_of_the_user() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
