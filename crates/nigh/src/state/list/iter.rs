//! What a [`List`](crate::List) hands out to change it by, named as in [`std::slice`]. It notes the elements that it reaches.

use std::fmt;
use std::iter;
use std::slice;

use super::Edited;
use crate::state::element::Element;

/// Elements to change in place: from [`List::iter_mut`](crate::List::iter_mut).
pub struct IterMut<'a, T> {
    pub(super) elements: iter::Enumerate<slice::IterMut<'a, T>>,
    pub(super) before: Option<&'a mut Edited<T>>,
}

impl<'a, T: Element> IterMut<'a, T> {
    fn hand(&mut self, element: Option<(usize, &'a mut T)>) -> Option<&'a mut T> {
        let (at, element) = element?;
        if let Some(before) = &mut self.before {
            before.touch(at, element);
        }
        Some(element)
    }
}
impl<'a, T: Element> Iterator for IterMut<'a, T> {
    type Item = &'a mut T;
    fn next(&mut self) -> Option<Self::Item> {
        let element = self.elements.next();
        self.hand(element)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.elements.size_hint()
    }
}
impl<T: Element> DoubleEndedIterator for IterMut<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let element = self.elements.next_back();
        self.hand(element)
    }
}
impl<T: Element> ExactSizeIterator for IterMut<'_, T> {}
impl<T: fmt::Debug> fmt::Debug for IterMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IterMut")
    }
}
