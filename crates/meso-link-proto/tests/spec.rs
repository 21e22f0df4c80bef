//! The published specification and the code say the same.

use meso_link_proto::version;

#[test]
fn the_specification_prints_the_very_layouts_of_the_schema_number() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../firmware-bridge/SPEC.md");
    let text = std::fs::read_to_string(path).unwrap();
    for line in version::LAYOUTS.lines() {
        assert!(
            text.contains(line),
            "SPEC.md lacks the layout line {line:?}"
        );
    }
    let schema = format!("0x{:08X}", version::schema());
    assert!(
        text.contains(&schema),
        "SPEC.md lacks the schema number {schema}"
    );
}
