//! A binary that was green stays so until it is built again.

use super::*;

#[test]
fn what_is_built_again_is_not_known_to_be_green() {
    let folder = crate::files::root().join("target/tmp/green of a test");
    let _ = std::fs::remove_dir_all(&folder); // It need not be there.
    std::fs::create_dir_all(&folder).expect("a folder for tests");
    let [file, binary, other] = ["green.txt", "binary", "other"].map(|name| folder.join(name));
    let built = |binary: &Path, second| {
        std::fs::write(binary, "").expect("writes");
        let at = UNIX_EPOCH + Duration::from_secs(second);
        std::fs::File::options()
            .append(true)
            .open(binary)
            .and_then(|file| file.set_modified(at))
            .expect("writes");
    };
    built(&binary, 1);
    built(&other, 1);
    std::fs::write(&file, "no line\n").expect("writes");
    let mut green = Green::read(file.clone());
    assert_eq!(green.took(&binary), None);
    green.keep(&binary, Duration::from_millis(1_500)).expect("writes");
    green.keep(&other, Duration::from_millis(7)).expect("writes");
    let again = Green::read(file.clone());
    assert_eq!(again.took(&binary), Some(Duration::from_millis(1_500)));
    built(&binary, 2);
    let mut again = Green::read(file.clone());
    assert_eq!((again.took(&binary), again.took(&other)), (None, Some(Duration::from_millis(7))));
    again.keep(&binary, Duration::from_millis(9)).expect("writes");
    assert_eq!(std::fs::read_to_string(&file).expect("there").lines().count(), 2, "the old one is gone");
}
