//! A set of the few things that one input is about: sorted, and its memory is kept from input to input.

#[derive(Clone, Debug)]
pub(crate) struct Few<T>(Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few(Vec::new())
    }
}

impl<T: Ord + Copy> Few<T> {
    pub(crate) fn insert(&mut self, one: T) {
        if let Err(place) = self.0.binary_search(&one) {
            self.0.insert(place, one);
        }
    }
    pub(crate) fn remove(&mut self, one: &T) {
        if let Ok(place) = self.0.binary_search(one) {
            self.0.remove(place);
        }
    }
    pub(crate) fn retain(&mut self, stays: impl Fn(T) -> bool) {
        self.0.retain(|one| stays(*one));
    }
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
    /// In order.
    pub(crate) fn all(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord + Copy> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        more.into_iter().for_each(|one| self.insert(one));
    }
}
