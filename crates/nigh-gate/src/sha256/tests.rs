//! Vectors: the standard's own, and every way a message can end in its last block.

use super::sha256;

fn check(message: &[u8], expect: &str) {
    let hex: String = sha256(message).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, expect, "{} bytes", message.len());
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn agrees_with_the_standard() {
    check(b"",    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check(b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (length, expect) in [
        (55,   "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"),
        (56,   "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"),
        (57,   "f13b2d724659eb3bf47f2dd6af1accc87b81f09f59f2b75e5c0bed6589dfe8c6"),
        (63,   "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"),
        (64,   "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"),
        (65,   "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"),
        (1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"),
    ] {
        check(&b"a".repeat(length), expect);
    }
}
